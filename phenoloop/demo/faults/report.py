"""What a fault campaign did and found, as tables."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from phenoloop.demo.faults.campaign import Findings
from phenoloop.demo.faults.trial import Trial

COLUMNS = (
    *("service", "fault", "requests", "met it", "again", "tasks", "answered", "failed", "put off"),
    *("slowest s", "/health ms", "threads", "empty stored", "recovered s", "complete s", "breaches"),
)
SAID_CHARS = 160


def print_report(console: Console, findings: Findings) -> None:
    table = Table(*COLUMNS)
    for trial in findings.trials:
        table.add_row(*_cells(trial))
    console.print(table)
    for trial in findings.trials:
        for said in trial.health_said[:2]:
            line = f"/health at {trial.service}, {trial.fault.kind} {trial.fault.share:.0%}: {said[:SAID_CHARS]}"
            console.print(line, markup=False, highlight=False)
    events = findings.events
    console.print(
        f"Events: {events.saved} annotations saved, {events.events} events of them sent in disorder, {events.garbled} "
        f"garbled ones between; known {_seconds(events.known_s)} s after the last; breaches: {len(events.breaches)}.",
        highlight=False,
    )
    for line in (*(breach for trial in findings.trials for breach in trial.breaches), *events.breaches):
        console.print(f"Breach: {line}", markup=False)
    for trouble in findings.troubles:
        console.print(f"Trouble: {trouble}", markup=False)
    verdict = "holds" if findings.holds else "does not hold"
    console.print(f"Seed {findings.seed}: {verdict}, after {findings.total_s:.0f} s.", highlight=False)


def _cells(trial: Trial) -> list[str]:
    return [
        trial.service,
        f"{trial.fault.kind} {trial.fault.share:.0%}",
        *map(str, (trial.counts.requests, trial.counts.met_fault, trial.counts.asked_again)),
        *map(str, (trial.tasks, trial.answered, trial.failed, trial.put_off)),
        f"{trial.slowest_s:.1f}",
        f"{1000 * trial.health_slowest_s:.0f}",
        *map(str, (trial.threads, trial.empty_stored)),
        _seconds(trial.recovered_s),
        _seconds(trial.complete_s),
        str(len(trial.breaches)),
    ]


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"
