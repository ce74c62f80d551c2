"""`chaos faults`: show that the chain survives what networks and AWS do."""

from __future__ import annotations

import json
import logging
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

PHOTOS = 14


def faults(
    seed: Annotated[int | None, typer.Option(help="Draws which requests are hit; a new one if left out.")] = None,
    report: Annotated[Path | None, typer.Option("--json", help="Write everything found to this file.")] = None,
    *,
    short: Annotated[
        bool, typer.Option("--short", help="A few faults, and a product that waits for seconds: two minutes.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with the logs also if all went well.")] = False,
) -> None:
    """Put proxies before S3, SageMaker and Label Studio that throttle, fail, stall, trickle, cut and lie.

    A backend, a worker and a sync run through them beside a stack of their own. Exit code 1 if a check fails.
    """
    from phenoloop.demo.faults.campaign import FEW, WHOLE, campaign  # heavy, and of no use to the other commands
    from phenoloop.demo.faults.patience import LONG, SHORT
    from phenoloop.demo.faults.report import print_report
    from phenoloop.demo.proof.stack import ProofStack
    from phenoloop.logs import configure_logs

    configure_logs(as_json=False, level=logging.ERROR)  # faults are no news here
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is stopped then too
    folder, started_s = Path(tempfile.mkdtemp(prefix="phenoloop-faults-")), time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else 220)
    seed = secrets.randbelow(1_000_000) if seed is None else seed

    def tell(what: str) -> None:
        console.print(f"{time.monotonic() - started_s:6.0f} s  {what}", markup=False, highlight=False, soft_wrap=True)

    console.print(f"Seed {seed}. Folder {folder}.", highlight=False)
    stack = ProofStack(
        folder / "stack", options=("--photos", str(PHOTOS)), minimum_changes=100_000, parameters={"Seed": seed}
    )
    holds = False
    try:
        tell("starting a stack")
        stack.start()
        patience, plan = (SHORT, FEW) if short else (LONG, WHOLE)
        findings = campaign(stack.folder.read_status(), folder / "logs", patience, plan, seed, tell)
        findings.total_s, holds = time.monotonic() - started_s, findings.holds
        print_report(console, findings)
        if report is not None:
            report.write_text(json.dumps(findings.as_json(), indent=2))
    finally:
        stack.stop()
        if holds and not keep:
            shutil.rmtree(folder)
        else:
            console.print(f"Data and logs stay in {folder}.", highlight=False)
    if not holds:
        raise typer.Exit(1)
