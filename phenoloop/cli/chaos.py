"""`chaos`: campaigns against a stack of their own, long forms of what the tests do in short."""

import typer

from phenoloop.cli.faults import faults
from phenoloop.cli.kill import kill
from phenoloop.cli.soak import soak

app = typer.Typer(no_args_is_help=True, help="Campaigns on stacks of their own: what breaks, and does anything grow?")
app.command("soak")(soak)
app.command("kill")(kill)
app.command("faults")(faults)
