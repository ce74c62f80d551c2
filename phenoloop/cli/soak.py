"""`chaos soak`: does anything grow while the loop is at load?"""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


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

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is stopped then too
    folder, started_s = Path(tempfile.mkdtemp(prefix="phenoloop-soak-")), time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else 220)
    ask = Ask(folder=folder, seed=secrets.randbelow(1_000_000) if seed is None else seed, minutes=minutes)
    console.print(f"Seed {ask.seed}. Folder {folder}.", highlight=False)

    def tell(step: str) -> None:
        console.print(f"{time.monotonic() - started_s:6.0f} s  {step}", markup=False, highlight=False, soft_wrap=True)

    failed = True
    try:
        findings = soak(ask, tell, lambda step: tell(f"{step} …"))
        failed = bool(findings.failures)
        print_report(console, findings)
        if report is not None:
            report.write_text(json.dumps(findings.as_json(), indent=2))
    finally:
        if failed or keep:
            console.print(f"Samples, data and logs stay in {folder}.", highlight=False)
        else:
            shutil.rmtree(folder)
    if failed:
        raise typer.Exit(1)
