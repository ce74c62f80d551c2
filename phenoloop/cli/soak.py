"""`chaos soak`: does anything grow while the loop is at load?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phenoloop.cli.ground import ground


def soak(
    minutes: Annotated[float, typer.Option(help="Under load.", min=0.5)] = 60.0,
    seed: Annotated[int | None, typer.Option(help="Draws photos and choices; a new one if left out.")] = None,
    report: Annotated[Path | None, typer.Option("--json", help="Write everything found to this file.")] = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the stack's folder also if all went well.")] = False,
) -> None:
    """Run a stack of its own at load and report the memory, threads and open files of every process.

    Ctrl-C breaks it off and reports what there is. Exit code 1 if a process of ours grows or requests fail.
    """
    from phenoloop.demo.soak.report import print_report  # heavy, and of no use to the other commands
    from phenoloop.demo.soak.run import Ask, soak

    with ground("soak", seed, keep=keep) as here:
        ask = Ask(folder=here.folder, seed=here.seed, minutes=minutes)
        findings = soak(ask, here.tell, lambda step: here.tell(f"{step} …"))
        print_report(here.console, findings)
        here.conclude(findings.as_json(), report, holds=not findings.failures)
