"""The control: annotations that say nothing of their photos are learnt from like any others, and must not win."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from phenoloop.demo.proof.bucket import Bucket
from phenoloop.demo.proof.findings import Findings
from phenoloop.demo.proof.steps import StepFailed, Steps
from phenoloop.demo.proof.watch import Watch

SETTLES_S = 15.0
"""After the end of the run, for a release that must not come."""


@dataclass(frozen=True, slots=True)
class Before:
    """What there was when the annotations were shuffled."""

    runs: set[str]
    approved: set[str]
    release: str


def before_control(bucket: Bucket) -> Before:
    return Before(bucket.runs(), bucket.approved_packages(), bucket.live_release())


def see_control_refused(
    before: Before,
    bucket: Bucket,
    watch: Watch,
    findings: Findings,
    steps: Steps,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """A run starts by itself, is judged, and promotes nothing. Raises StepFailed."""
    run = watch.run_after(before.runs, "Control: run started")
    end = watch.end_of(run, "Control: run ended")
    facts = bucket.run_facts(run)
    findings.runs["shuffled annotations"] = facts
    with steps.step("Control: judged and not promoted"):
        if end.status != "Succeeded" or not facts.get("gain"):
            raise StepFailed("The control was never judged.", run=run, status=end.status, reason=end.reason)
        pause(SETTLES_S)
        if bucket.live_release() != before.release or bucket.approved_packages() != before.approved:
            raise StepFailed("A chain that learnt from shuffled annotations was promoted.", run=run)
