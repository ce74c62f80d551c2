"""`retrain` and `runs`: what the loop learns from, and how far it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from phenoloop.cli.loop import loop_of
from phenoloop.cli.pipeline import run_named, start_run
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from sync.loop import Loop
    from sync.runs import Run

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
app = typer.Typer(no_args_is_help=True, help="Training runs.")


def retrain(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Train on the annotations as they are now, as `pipeline start` without parameters."""
    start_run(loop_of(data_dir), {})


@app.command("list")
def list_runs(data_dir: DataDir = DEFAULT_DATA_DIR, *, as_json: AsJson = False) -> None:
    """Every run, oldest first."""
    loop = loop_of(data_dir)
    runs = [_summary(loop, run) for run in loop.runs.list()]
    if as_json:
        typer.echo(json.dumps(runs, indent=2))
        return
    table = Table("run", "asked for", "why", "train/validation/test", "status", "release")
    for run in runs:
        photos = "/".join(str(count) for count in run["photos"].values())
        asked = f"{run['requested_at']:.19}".replace("T", " ")
        version = (run["package"] or "").rpartition("/")[2]
        table.add_row(run["name"], asked, run["reason"], photos, run["status"], version)
    Console(soft_wrap=True).print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Of the run; the newest if left out.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    as_json: AsJson = False,
) -> None:
    """One run: what it was asked for, how far it is, what the evaluation says."""
    loop = loop_of(data_dir)
    run = run_named(loop, name)
    execution, evaluation = loop.runs.execution(run), loop.runs.evaluation(run)
    found = _summary(loop, run) | {
        "parameters": run.parameters,
        "live_release": run.live_release,
        "execution": execution.arn if execution else None,
        "steps": dict(execution.steps) if execution else {},
        "failure_reason": execution.failure_reason if execution else "",
        "evaluation": evaluation,
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(found)


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="Of the run; the newest if left out.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    out: Annotated[Path | None, typer.Option(help="The file; report-RUN.html if left out.")] = None,
) -> None:
    """Save the evaluation's page, which needs nothing else, to open in a browser."""
    loop = loop_of(data_dir)
    run = run_named(loop, name)
    file = out or Path(f"report-{run.name}.html")
    file.write_bytes(loop.runs.report(run))
    typer.echo(str(file))


def _summary(loop: Loop, run: Run) -> dict[str, Any]:
    execution = loop.runs.execution(run)
    return {
        "name": run.name,
        "requested_at": run.requested_at.isoformat(),
        "reason": run.reason,
        "snapshot": run.snapshot,
        "photos": run.photos,
        "status": execution.status if execution else loop.runs.status(run),
        "package": execution.package_arn if execution else None,
    }


def _print(run: dict[str, Any]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for name in ("name", "requested_at", "reason", "snapshot", "photos", "live_release", "status", "failure_reason"):
        if run[name]:
            console.print(f"{name.replace('_', ' '):<16}{run[name]}")
    for step, status in run["steps"].items():
        console.print(f"  {step:<18}{status}")
    if evaluation := run["evaluation"]:
        table = Table("", "live", "candidate")
        for figure in ("quality", "box_ap50", "box_ap50_any_label", "mask_ap50", "mean_iou"):
            values = [evaluation[chain].get(figure) for chain in ("live", "candidate")]
            table.add_row(figure, *(("-" if value is None else f"{value:.3f}") for value in values))
        console.print(table)
        gain = evaluation["gain"]
        console.print(
            f"gain {gain['mean']:+.3f}, 95 % interval {gain['low']:+.3f} to {gain['high']:+.3f}, "
            f"on {evaluation['test_photos']} test photos"
        )
        console.print(f"verdict: {evaluation['verdict']}. {' '.join(evaluation['reasons'])}")
    if run["package"]:
        console.print(f"{'package':<16}{run['package']}")
