"""The command line. Errors are one line with the cure; `--debug` shows where they come from."""

import logging
import sys

import typer
from rich.console import Console
from rich.text import Text

from phenoloop.cli import (
    aws,
    chaos,
    connect,
    doctor,
    endpoints,
    importing,
    loc360,
    pipeline,
    prelabel,
    proof,
    releases,
    runs,
    stack,
    sync,
    trace,
    tune,
)
from phenoloop.errors import PhenoloopError
from phenoloop.logs import configure_logs, traced

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The annotation loop of vegetable phenotyping.",
)


@app.callback()
def _options(debug: bool = typer.Option(False, "--debug", help="Show tracebacks.")) -> None:  # noqa: FBT001, FBT003  # read in `run`
    """Phenoloop."""


app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("status")(stack.status)
app.command("prelabel")(prelabel.prelabel)
app.command("connect")(connect.connect)
app.command("retrain")(runs.retrain)
app.add_typer(pipeline.app, name="pipeline")
app.add_typer(tune.app, name="tune")
app.add_typer(importing.app, name="import")
app.add_typer(runs.app, name="runs")
app.add_typer(releases.app, name="releases")
app.add_typer(loc360.app, name="loc360")
app.add_typer(sync.app, name="sync")
app.add_typer(endpoints.app, name="endpoints")
app.add_typer(aws.app, name="aws")
app.command("doctor")(doctor.doctor)
app.command("trace")(trace.trace)
app.command("proof")(proof.proof)
app.add_typer(chaos.app, name="chaos")


def run() -> None:
    """Entry point of the `phenoloop` program."""
    configure_logs(as_json=False, level=logging.WARNING)  # commands say themselves what they do
    try:
        with traced():
            app()
    except PhenoloopError as error:
        if "--debug" in sys.argv:
            raise
        Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), str(error)))
        sys.exit(1)
