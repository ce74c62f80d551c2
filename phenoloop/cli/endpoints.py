"""`endpoints`: do those of a release keep their contract?"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from phenoloop.cli.settings import settings_and_project
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir

app = typer.Typer(no_args_is_help=True, help="The endpoints that serve a release.")


@app.callback()
def _group() -> None:
    """Keep `test` a word of its own while it is the only command."""


@app.command("test")
def examine(
    release: Annotated[str, typer.Option(help="Its name; the live one if left out.")] = "",
    within_ms: Annotated[float, typer.Option(help="Most that the median call may take.")] = 5000,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Ask both endpoints what the platform asks, and what they have to refuse. Exit code 1 if a test fails."""
    import boto3  # heavy, and of no use to the other commands
    import pytest

    from phenoloop import endpoint_tests
    from phenoloop.chain.endpoints import sagemaker_runtime_client
    from phenoloop.chain.releases import ReleaseStore
    from phenoloop.endpoint_tests.subject import Plugin, Subject, draw_photo

    settings, _ = settings_and_project(data_dir, None)
    store = ReleaseStore(boto3.client("s3"), settings.storage.bucket, settings.storage.releases_prefix)
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject(
            runtime=sagemaker_runtime_client(settings.chain),
            release=store.get(release) if release else store.live(),
            photo=draw_photo(Path(folder) / "photo.png"),
            most_ms=within_ms,
        )
        tests = str(Path(str(endpoint_tests.__file__)).parent)
        alone = ("--config-file", os.devnull, "--rootdir", tests, "-p", "no:cacheprovider")  # no project's own settings
        raise typer.Exit(int(pytest.main([*alone, "--verbose", "--tb=short", tests], plugins=[Plugin(subject)])))
