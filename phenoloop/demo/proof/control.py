"""The control: annotations that say nothing of their photos are learnt from like any others, and must not win."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from phenoloop.demo.proof.bucket import Bucket, RunEnd
from phenoloop.demo.proof.findings import Findings
from phenoloop.demo.proof.roles import MINIMUM_TEST_PHOTOS
from phenoloop.demo.proof.steps import StepFailed, Steps
from phenoloop.demo.proof.watch import Watch

SETTLES_S = 15.0
"""After the end of the run, for a release that must not come."""


@dataclass(frozen=True, slots=True)
class Before:
    """What there was when the annotations were shuffled."""

    runs: set[str]
    packages: Mapping[str, str]
    """ARN -> approval."""
    release: str
    annotated: int
    """Photos."""


def before_control(bucket: Bucket, annotated: int) -> Before:
    return Before(set(bucket.runs()), bucket.packages(), bucket.live_release(), annotated)


def see_control_refused(
    before: Before,
    bucket: Bucket,
    watch: Watch,
    findings: Findings,
    steps: Steps,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """A run starts by itself, is measured to be worse, and changes nothing. Raises StepFailed."""
    run = watch.run_after(before.runs, "Control: run started", photos=before.annotated)
    end = watch.end_of(run, "Control: run ended")
    facts = bucket.run_facts(run)
    findings.runs["shuffled annotations"] = facts
    with steps.step("Control: judged and not promoted"):
        pause(SETTLES_S)
        if bucket.live_release() != before.release or bucket.packages() != before.packages:
            raise StepFailed("A chain that learnt from shuffled annotations was registered or promoted.", run=run)
        _see_measured_worse(run, end, facts)


def _see_measured_worse(run: str, end: RunEnd, facts: Mapping[str, Any]) -> None:
    high, photos = (facts.get("gain") or {}).get("high"), facts.get("test_photos") or 0
    if end.status != "Succeeded" or high is None or photos < MINIMUM_TEST_PHOTOS:
        raise StepFailed(
            "The control was never judged.", run=run, status=end.status, reason=end.reason, test_photos=photos
        )
    if not high < 0 or facts.get("verdict") == "better":
        raise StepFailed(
            "Learning from shuffled annotations was not measured to be worse.", run=run, gain=facts["gain"]
        )
