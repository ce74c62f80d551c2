"""`doctor`: is everything connected, and if not, what to do."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from phenoloop.cli.settings import settings_and_project
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.logs import configure_logs

if TYPE_CHECKING:
    from phenoloop.doctor.check import Line

COLOURS = {"ok": "green", "warn": "yellow", "failed": "bold red", "not checked": "dim"}


def doctor(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    project: Annotated[int | None, typer.Option(help="Label Studio's project; may be left out if it has one.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check every connection of the loop, and say the cure for each failure. Exit code 1 if a check failed.

    Works with the PHENOLOOP_ settings of the environment or, where there are none, on the stack of --data-dir. Run it
    where the backend runs: permissions and addresses are those of this process.
    """
    from phenoloop.doctor.checks import examine_loop  # heavy, and of no use to the other commands

    configure_logs(as_json=False, level=logging.ERROR)  # the lines say it all
    settings, project_id = settings_and_project(data_dir, project)
    with Console(stderr=True).status("Looking at every connection"):
        lines = examine_loop(settings, project_id)
    if as_json:
        typer.echo(json.dumps([_as_json(line) for line in lines], indent=2))
    else:
        _print(lines)
    if any(line.finding.state == "failed" for line in lines):
        raise typer.Exit(1)


def _as_json(line: Line) -> dict[str, str]:
    finding = line.finding
    return {"check": line.name, "state": str(finding.state), "found": finding.found, "cure": finding.cure}


def _print(lines: list[Line]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for line in lines:
        finding = line.finding
        state = (f"{finding.state:<12}", COLOURS[finding.state])
        cure = (f" -> {finding.cure}", "bold") if finding.cure else ""
        console.print(Text.assemble(state, f"{line.name:<24}", finding.found, cure))
