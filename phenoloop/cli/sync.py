"""`sync`: the S3 side of the loop as one look, or as the worker that `up` starts."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from phenoloop.cli.settings import settings_and_project
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.logs import configure_logs

if TYPE_CHECKING:
    from sync.worker import SyncWorker

app = typer.Typer(no_args_is_help=True, help="What sync does: snapshots, runs, releases, predictions of open tasks.")


@app.command()
def once(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Look at everything once and do what is due, as the worker does after a restart. Exit code 1 if some failed."""
    if not _worker(data_dir).turn():
        raise typer.Exit(1)


@app.command()
def run(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Work until stopped. Several at once are safe."""
    worker = _worker(data_dir)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()


def _worker(data_dir: Path) -> SyncWorker:
    from sync.bootstrap import build_worker  # heavy, and of no use to the other commands

    configure_logs(as_json=False)
    return build_worker(settings_and_project(data_dir, None)[0])
