"""`prelabel`: predict a project's tasks ahead, in the workers, and watch."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from phenoloop.cli.settings import settings_and_project
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.errors import JobsFailed, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_backend.backend import Backend

LOOK_EVERY_S = 1.0
NAMED = 20
"""Of the tasks that could not be predicted."""


def prelabel(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    project: Annotated[int | None, typer.Option(help="Label Studio's project; the demo's if left out.")] = None,
    watch: Annotated[bool, typer.Option(help="Show how far it is, until it is done.")] = True,  # noqa: FBT002
) -> None:
    """Predict every task that lacks a prediction of the live release, newest first, before anyone opens it.

    Ctrl-C leaves the workers at it. Called again, it asks for nothing a second time and shows how far they are.
    Works with the PHENOLOOP_ settings of the environment or, where there are none, on the stack of --data-dir.
    """
    from ml_backend.bootstrap import build_backend  # heavy, and of no use to the other commands
    from phenoloop.jobs import asked_for, enqueue_prelabel

    settings, project_id = settings_and_project(data_dir, project)
    if project_id is None:
        raise SettingsInvalid("Which project?", cure="Name Label Studio's project with --project.")
    backend = build_backend(settings)
    lacking = sorted(_lacking(backend, project_id), reverse=True)
    asked = asked_for(backend.queue, project_id)
    enqueue_prelabel(backend.queue, project_id, [task_id for task_id in lacking if task_id not in asked])
    if not watch:
        typer.echo(f"{len(lacking)} tasks are on their way.")
    elif _seen_through(backend, project_id, len(lacking)):
        typer.echo(f"{len(lacking)} tasks pre-labelled by {backend.chain.version(project_id)}.")
    else:
        typer.echo("The workers go on: `phenoloop prelabel` shows how far they are.")


def _seen_through(backend: Backend, project_id: int, total: int) -> bool:
    """False if whoever watches leaves before. Raises JobsFailed if nobody works on what is left."""
    from phenoloop.jobs import is_busy

    try:
        with Progress(*_columns(), console=Console(stderr=True), speed_estimate_period=120) as progress:
            bar = progress.add_task("Pre-labelling", total=total)
            while True:
                # in this order: jobs first, then their work
                busy, left = is_busy(backend.queue), _count_lacking(backend, project_id)
                progress.update(bar, completed=total - left)
                if not left:
                    return True
                if not busy:
                    cure, tasks = "The workers' logs say why.", list(islice(_lacking(backend, project_id), NAMED))
                    raise JobsFailed("Some tasks could not be predicted.", cure=cure, count=left, tasks=tasks)
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        return False


def _columns() -> tuple[ProgressColumn, ...]:
    return TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn()


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} tasks/s")


def _lacking(backend: Backend, project_id: int) -> Iterator[int]:
    version = backend.chain.version(project_id)
    return (task.id for task in backend.label_studio.tasks(project_id, without_version=version))


def _count_lacking(backend: Backend, project_id: int) -> int:
    return backend.label_studio.task_count(project_id, without_version=backend.chain.version(project_id))
