"""`prelabel`: predict a project's tasks ahead, in the workers, and watch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from phenoloop.cli.settings import settings_and_project
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.errors import JobsFailed, SettingsInvalid

if TYPE_CHECKING:
    from ml_backend.backend import Backend

LOOK_EVERY_S = 0.5


def prelabel(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    project: Annotated[int | None, typer.Option(help="Label Studio's project; the demo's if left out.")] = None,
) -> None:
    """Predict every task that lacks a prediction of the live release, before anyone opens it.

    Works with the PHENOLOOP_ settings of the environment or, where there are none, on the stack of --data-dir.
    """
    from ml_backend.bootstrap import build_backend  # heavy, and of no use to the other commands
    from phenoloop.jobs import enqueue_prelabel, is_busy

    settings, project_id = settings_and_project(data_dir, project)
    if project_id is None:
        raise SettingsInvalid("Which project?", cure="Name Label Studio's project with --project.")
    backend = build_backend(settings)
    lacking = _lacking(backend, project_id)
    enqueue_prelabel(backend.queue, project_id, lacking)
    with Progress(
        TextColumn("Pre-labelling"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        bar = progress.add_task("", total=len(lacking))
        while True:
            # in this order: jobs first, then their work
            busy, left = is_busy(backend.queue), _lacking(backend, project_id)
            progress.update(bar, completed=len(lacking) - len(left))
            if not left:
                break
            if not busy:
                cure = "The workers' logs say why."
                raise JobsFailed("Some tasks could not be predicted.", cure=cure, tasks=left[:20])
            time.sleep(LOOK_EVERY_S)
    typer.echo(f"{len(lacking)} tasks pre-labelled by {backend.chain.version(project_id)}.")


def _lacking(backend: Backend, project_id: int) -> list[int]:
    version = backend.chain.version(project_id)
    return [task.id for task in backend.label_studio.tasks(project_id, without_version=version)]
