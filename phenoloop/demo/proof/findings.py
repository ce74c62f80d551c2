"""What a proof finds out, filled in as it goes, so that a failed one still shows how far it came."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from phenoloop.demo.proof.annotator import Shares, Verdict
from phenoloop.demo.proof.known import Plan
from phenoloop.demo.proof.roles import LEAST_TESTS
from phenoloop.demo.proof.scoring import ReleaseScore
from training.evaluation.scores import Gain


@dataclass(slots=True)
class Findings:
    seed: int
    photos: Plan | None = None
    releases: list[ReleaseScore] = field(default_factory=list)
    """Release 0, then each later one."""
    gains: list[Mapping[str, Gain]] = field(default_factory=list)
    """Of each later release over the one before."""
    annotated: Shares | None = None
    """What the annotator did with release 0's pre-annotations."""
    after_last_annotation_s: dict[str, float] = field(default_factory=dict)
    """What happened -> seconds from the last annotation saved."""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What a run was for -> what the pipeline found."""
    step_seconds: dict[str, float] = field(default_factory=dict)
    total_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    """One reason a step that did not happen. A proof without any holds."""

    def plan(self, photos: Plan) -> None:
        """With too few test photos nothing can be proved, whatever comes."""
        self.photos = photos
        if photos.tests < LEAST_TESTS:
            self.failures.append(f"Only {photos.tests} test photos; a proof needs {LEAST_TESTS}.")

    def add(self, score: ReleaseScore) -> None:
        self.releases.append(score)

    def note(self, what: str, since_s: float) -> None:
        """It happened now; `since_s` is of the monotonic clock."""
        self.after_last_annotation_s[what] = time.monotonic() - since_s

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": not self.failures,
            "failures": self.failures,
            "seed": self.seed,
            "photos": None if self.photos is None else asdict(self.photos),
            "releases": [_release(score) for score in self.releases],
            "gains": [{name: asdict(gain) for name, gain in gains.items()} for gains in self.gains],
            "annotated": None if self.annotated is None else shares_json(self.annotated),
            "after_last_annotation_s": self.after_last_annotation_s,
            "runs": self.runs,
            "step_seconds": self.step_seconds,
            "total_s": self.total_s,
        }


def shares_json(shares: Shares) -> dict[str, Any]:
    return {
        verdict.value: {"regions": getattr(shares, verdict.value), "share": shares.share(verdict)}
        for verdict in Verdict
    }


def _release(score: ReleaseScore) -> dict[str, Any]:
    return {
        "release": score.release,
        "scores": asdict(score.scores),
        "intervals": {name: asdict(interval) for name, interval in score.intervals.items()},
        "regions": shares_json(score.shares),
    }
