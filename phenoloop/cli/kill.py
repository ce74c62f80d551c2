"""`chaos kill`: show that no process of the loop can die at a moment that costs anything but time."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from phenoloop.cli.ground import ground

POLICY = {
    "PHENOLOOP_RETRAINING__QUIET_S": "5",
    "PHENOLOOP_RETRAINING__LONGEST_WAIT_S": "20",  # the annotator never pauses
    "PHENOLOOP_RETRAINING__RUNS_A_DAY": "1000",
    "PHENOLOOP_RETRAINING__SWEEP_EVERY_S": "15",
    "PHENOLOOP_RETRAINING__EXPORTS_EVERY_S": "20",
    "PHENOLOOP_CHAIN__REPLY_CACHE_BYTES": "0",  # it is seen by predictions whether the endpoints are well
}
MINIMUM_CHANGES = 6


def kill(
    rounds: Annotated[int, typer.Option(min=1, help="How often something is hit.")] = 100,
    seed: Annotated[int | None, typer.Option(help="Draws what is hit and when; a new one if left out.")] = None,
    report: Annotated[Path | None, typer.Option("--json", help="Write everything found to this file.")] = None,
    photos: Annotated[int, typer.Option(min=12, help="How many photos to generate.")] = 24,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the stack's folder also if all went well.")] = False,
) -> None:
    """Kill processes of a stack of its own at random while an annotator works and runs train.

    Exit code 1 if anything was lost or done twice, or if the loop does not go on by itself.
    """
    from phenoloop.demo.chaos.campaign import Campaign  # heavy, and of no use to the other commands
    from phenoloop.demo.chaos.report import print_report
    from phenoloop.demo.proof.stack import ProofStack
    from phenoloop.logs import configure_logs
    from phenoloop.settings import read_settings
    from sync.bootstrap import build_loop

    configure_logs(as_json=False, level=logging.ERROR)  # what is hit does not answer, and that is no news
    with ground("chaos", seed, keep=keep) as here:
        stack = ProofStack(
            here.folder / "stack",
            options=("--photos", str(photos)),
            minimum_changes=MINIMUM_CHANGES,
            parameters={"TimeLimitS": 15, "MinimumTestPhotos": 4, "Seed": here.seed},
            settings=POLICY,
        )
        try:
            here.tell("starting a stack")
            stack.start()
            os.environ.update(stack.folder.read_status()["settings"])  # boto3 takes its own from there
            outcome = Campaign(stack.folder, build_loop(read_settings()), here.seed, here.tell).run(rounds)
        finally:
            stack.stop()
        print_report(here.console, outcome)
        here.conclude(outcome.as_json(), report, holds=outcome.holds)
