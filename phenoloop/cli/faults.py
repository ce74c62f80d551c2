"""`chaos faults`: show that the chain survives what networks and AWS do."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Annotated

import typer

from phenoloop.cli.ground import ground

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
    with ground("faults", seed, keep=keep) as here:
        stack = ProofStack(
            here.folder / "stack",
            options=("--photos", str(PHOTOS)),
            minimum_changes=100_000,
            parameters={"Seed": here.seed},
        )
        try:
            here.tell("starting a stack")
            stack.start()
            patience, plan = (SHORT, FEW) if short else (LONG, WHOLE)
            status = stack.folder.read_status()
            findings = campaign(status, here.folder / "logs", patience, plan, here.seed, here.tell)
        finally:
            stack.stop()
        findings.total_s = time.monotonic() - here.started_s
        print_report(here.console, findings)
        here.conclude(findings.as_json(), report, holds=findings.holds)
