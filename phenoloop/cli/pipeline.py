"""`pipeline`: the training pipeline as SageMaker gets it, and its executions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from phenoloop.cli.loop import loop_of
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.demo.state import DataFolder

if TYPE_CHECKING:
    from phenoloop.settings import StorageSettings, TrainingSettings
    from sync.executions import Execution, StepProgress
    from sync.loop import Loop
    from sync.runs import Run

LATEST = "latest"
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Name = Annotated[str, typer.Argument(help="Of the run; the newest if left out.")]
app = typer.Typer(no_args_is_help=True, help="The training pipeline.")


@app.command()
def definition(data_dir: DataDir = DEFAULT_DATA_DIR, *, as_json: AsJson = False) -> None:
    """The steps and every parameter; --json: the whole definition, as SageMaker gets it. Asks nothing of AWS."""
    from sync.pipeline.definition import definition as defined
    from sync.pipeline.parameters import checked, parameters

    storage, training = _sections(data_dir)
    whole, own = defined(storage, training), checked(training.parameters)
    if as_json:
        typer.echo(json.dumps(whole, indent=2))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"Pipeline {training.pipeline}: {', '.join(step['Name'] for step in whole['Steps'])}")
    table = Table(
        Column("parameter", no_wrap=True), "type", Column("value", overflow="fold"), Column("choices", overflow="fold")
    )
    for name, known in parameters().items():
        table.add_row(name, known.type, str(own.get(name, known.default)), ", ".join(known.choices))
    console.print(table)


@app.command()
def upsert(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Create the pipeline in SageMaker, or update it. A run does so by itself."""
    loop = loop_of(data_dir)
    typer.echo(f"Pipeline {loop.settings.training.pipeline}: {loop.runs.upsert()}.")


@app.command()
def start(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    given: Annotated[list[str], typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Of this run only.")] = [],  # noqa: B006  # typer copies it
) -> None:
    """Train on the annotations as they are now, whatever the policy says; a run that failed is tried again."""
    from sync.pipeline.parameters import checked

    parameters = checked(dict(map(_pair, given)))  # before anything is asked of anyone
    start_run(loop_of(data_dir), parameters)


@app.command()
def status(name: Name = LATEST, data_dir: DataDir = DEFAULT_DATA_DIR, *, as_json: AsJson = False) -> None:
    """How far a run is, step by step, and where its report lies."""
    loop = loop_of(data_dir)
    run = run_named(loop, name)
    found = _found(loop, run, loop.runs.execution(run))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(found)


@app.command()
def stop(name: Name = LATEST, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop a run: its jobs end within two minutes, and nothing is registered. One not started yet never will be."""
    loop = loop_of(data_dir)
    run = run_named(loop, name)
    loop.runs.stop(run)
    typer.echo(f"Run {run.name} stops. Its checkpoints stay; `phenoloop pipeline start` makes another attempt.")


def start_run(loop: Loop, parameters: Mapping[str, str | int | float]) -> None:
    """As the loop does by itself, and say what came of it."""
    run, is_new = loop.retrain("asked for by hand", by_itself=False, parameters=parameters)
    if is_new:
        typer.echo(f"Run {run.name} starts on snapshot {run.snapshot}. See `phenoloop pipeline status {run.name}`.")
    else:
        typer.echo(f"Nothing new: run {run.name} has trained on these annotations with these parameters and this code.")


def run_named(loop: Loop, name: str) -> Run:
    """Raises RunMissing."""
    from phenoloop.errors import RunMissing

    if name not in ("", LATEST):
        return loop.runs.get(name)
    runs = loop.runs.list()
    if not runs:
        raise RunMissing("There was no run yet.", cure="Annotate, or start one with `phenoloop pipeline start`.")
    return runs[-1]


def _sections(data_dir: Path) -> tuple[StorageSettings, TrainingSettings]:
    """Of the environment, else of the stack in `data_dir`, else as a stack would have them."""
    from phenoloop.cli.settings import has_own_settings, settings_and_project
    from phenoloop.demo.programs import BUCKET, training_settings
    from phenoloop.settings import StorageSettings

    if not has_own_settings() and not DataFolder(data_dir).has_status():
        return StorageSettings(bucket=BUCKET), training_settings()
    settings, _ = settings_and_project(data_dir, None)
    return settings.storage, settings.training


def _pair(word: str) -> tuple[str, str]:
    from phenoloop.errors import SettingsInvalid

    name, equals, value = word.partition("=")
    if not equals:
        raise SettingsInvalid("A parameter is not NAME=VALUE.", cure="Such as -p DetectorEpochs=20.", given=word)
    return name, value


def _found(loop: Loop, run: Run, execution: Execution | None) -> dict[str, Any]:
    storage = loop.settings.storage
    places = f"s3://{storage.bucket}/{storage.runs_prefix}{run.name}"
    steps = execution.progress if execution else ()
    evaluated = any(step.name == "Evaluate" and step.status == "Succeeded" for step in steps)
    return {
        "name": run.name,
        "snapshot": run.snapshot,
        "status": execution.status if execution else loop.runs.status(run),
        "failure_reason": execution.failure_reason if execution else "",
        "execution": execution.arn if execution else None,
        "steps": [_step(step) for step in steps],
        "report": f"{places}/evaluation/report.html" if evaluated else None,
        "package": execution.package_arn if execution else None,
    }


def _step(step: StepProgress) -> dict[str, Any]:
    ended_at = step.ended_at or datetime.now(UTC)
    return {
        "name": step.name,
        "status": step.status,
        "seconds": round((ended_at - step.started_at).total_seconds(), 1) if step.started_at else None,
        "attempts": step.attempts,
        "failure_reason": step.failure_reason,
        "made": step.made,
        "cached_from": step.cached_from,
    }


def _print(found: dict[str, Any]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for name in ("name", "snapshot", "status"):
        console.print(f"{name:<16}{found[name]}")
    table = Table("step", "state", "time", Column("what it made, or why not", overflow="fold"))
    for step in found["steps"]:
        state = f"{step['status']} (cached)" if step["cached_from"] else step["status"]
        state += f", attempt {step['attempts']}" if step["attempts"] > 1 else ""
        made = step["made"].rpartition("/")[2]  # the rest of the ARN says nothing new; --json has it
        table.add_row(step["name"], state, _duration(step["seconds"]), step["failure_reason"] or made)
    console.print(table)
    for name in ("report", "package"):
        if found[name]:
            console.print(f"{name:<16}{found[name]}")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
