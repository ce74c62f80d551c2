"""How far a search is and what it came to, in words."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from sync.tuning.searches import Searches, SearchJob
    from sync.tuning.wanted import RunTraining

POLL_S = 2.0
SHOWN = 10
_OVER = ("complete", "pruned", "failed")
Report = dict[str, Any]


def follow(searches: Searches, job: SearchJob, *, every_s: float = POLL_S) -> SearchJob | None:
    """A line for each trial that ends, until the job does; None if whoever watches leaves before."""
    console, told = _console(), set[int]()
    console.print(f"Search {job.search}, training job {job.job_name}. Ctrl-C leaves it at work.")
    try:
        while True:
            job, report = searches.job(job.job_name), searches.report(job.search)
            for trial in _ended(report):
                if trial["number"] not in told and report:
                    told.add(trial["number"])
                    console.print(_line(trial, report))
            if not job.is_at_work:
                return job
            time.sleep(every_s)
    except KeyboardInterrupt:
        console.print(f"The search goes on: `phenoloop tune status {job.search}`, `phenoloop tune stop {job.search}`.")
        return None


def show(job: SearchJob, report: Report | None) -> None:
    """The best trials, and what they came to."""
    console = _console()
    console.print(f"Search {job.search}: {job.status}. {job.failure_reason}".rstrip())
    if report is None:
        return
    console.print(_standing(report))
    best_first = sorted(
        (trial for trial in report["trials"] if trial["state"] == "complete"), key=lambda trial: -trial["validation"]
    )
    names = list(report["space"])
    table = Table("trial", "validation", "time", *(Column(name, overflow="fold") for name in names))
    for trial in best_first[:SHOWN]:
        mark = " (now)" if trial["number"] == report["current"] else ""
        values = [_number(trial["values"].get(name, "")) for name in names]
        table.add_row(f"{trial['number']}{mark}", _number(trial["validation"]), f"{trial['seconds']:.0f} s", *values)
    console.print(table)
    if report["importance"]:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in report["importance"].items())
        console.print(f"What made the difference: {shares}")
    if test := report["test"]:
        qualities = ", ".join(f"{name} {_number(test[name])}" for name in ("best", "current") if name in test)
        console.print(f"On {test['photos']} test photos, {test['measure']}: {qualities}")


def conclude(job: SearchJob, report: Report, base: RunTraining, *, write: bool) -> None:
    """Say what was found, and write it into the defaults if it is better than what is set."""
    from sync.pipeline.parameters import TRAINING_FILE
    from sync.tuning.defaults_file import kept, rewrite

    console = _console()
    show(job, report)
    best = _trial(report, "best")
    if best is None or report["best"] == report["current"]:
        console.print("Nothing better than the values of now: nothing is to be changed.")
        return
    test = report["test"] or {}
    if test.get("best", 1.0) < test.get("current", 0.0):
        console.print("On the test photos it is worse than now: more validation photos would tell better.")
    found = kept(best["values"])
    console.print(f"{base.stage}: {', '.join(f'{name} {value}' for name, value in found.items())}")
    if write:
        rewrite(base.stage, found, note(job, report, base))
        console.print(f"Written into {TRAINING_FILE.name}. Programs that run read it when they start again.")
    else:
        console.print(f"{TRAINING_FILE.name} is left as it is.")


def note(job: SearchJob, report: Report, base: RunTraining) -> str:
    """Where values come from, for the file that they are written into."""
    best, current, test = _trial(report, "best"), _trial(report, "current"), report["test"] or {}
    figures = [("validation", best and best["validation"], current and current["validation"])]
    figures += [("test", test["best"], test.get("current"))] if "best" in test else []
    told = [
        f"{name} {_number(new)}" + ("" if old is None else f" ({_number(old)} before)") for name, new, old in figures
    ]
    return (
        f"found by search {job.search} on snapshot {base.snapshot:.12}, {datetime.now(UTC):%Y-%m-%d}: {', '.join(told)}"
    )


def _line(trial: dict[str, Any], report: Report) -> str:
    told = _number(trial["validation"]) if trial["state"] == "complete" else trial["state"]
    values = " ".join(f"{name}={_number(value)}" for name, value in trial["values"].items())
    reason = f"  {trial['reason'].splitlines()[0]}" if trial["reason"] else ""
    return f"trial {trial['number']:>3}  {told:<9} {trial['seconds']:>6.0f} s  {values}{reason}  [{_standing(report)}]"


def _standing(report: Report) -> str:
    best, over = _trial(report, "best"), _ended(report)
    counts = {state: sum(trial["state"] == state for trial in over) for state in ("pruned", "failed")}
    parts = [f"{len(over)} of {report['trials_wanted']} trials", *(f"{n} {state}" for state, n in counts.items() if n)]
    return ", ".join([*parts, f"best {_number(best['validation'])} (trial {best['number']})"] if best else parts)


def _ended(report: Report | None) -> list[dict[str, Any]]:
    return [trial for trial in report["trials"] if trial["state"] in _OVER] if report else []


def _trial(report: Report, which: str) -> dict[str, Any] | None:
    number = report[which]
    return next((trial for trial in report["trials"] if trial["number"] == number), None)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _console() -> Console:
    return Console(soft_wrap=True, highlight=False, markup=False)
