"""How long the product under trial waits for things: as it does in production, or shortly, for a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    invoke_s: float
    photo_s: float
    label_studio_s: float
    predict_s: float
    """The backend's deadline for a batch."""
    prompt_s: float
    job_s: float
    stalls_s: float
    """How long a stall or a trickle lasts."""
    fault_s: float
    """How long a fault is on at least; until all requests are answered in any case."""
    batch: int
    """Tasks in one request."""
    recovers_s: float
    """Within which all is well again after a fault."""

    @property
    def answers_within_s(self) -> float:
        """The 90 s rule: Label Studio gives up on /predict after 100 s."""
        return self.predict_s + 5

    def settings(self) -> Mapping[str, str]:
        values = {
            "CHAIN__INVOKE_TIMEOUT_S": self.invoke_s,
            "CHAIN__IMAGE_TIMEOUT_S": self.photo_s,
            "LABEL_STUDIO__TIMEOUT_S": self.label_studio_s,
            "BACKEND__PREDICT_DEADLINE_S": self.predict_s,
            "BACKEND__PROMPT_DEADLINE_S": self.prompt_s,
            "BACKEND__JOB_DEADLINE_S": self.job_s,
            "CHAIN__PHOTO_CACHE_BYTES": 0,  # what is kept would hide the faults
            "CHAIN__REPLY_CACHE_BYTES": 0,
        }
        return {f"PHENOLOOP_{name}": str(value) for name, value in values.items()}


LONG = Patience(
    invoke_s=60, photo_s=60, label_studio_s=30, predict_s=85, prompt_s=25, job_s=600,
    stalls_s=60, fault_s=20, batch=8, recovers_s=300,
)  # fmt: skip
"""As in production."""
SHORT = Patience(
    invoke_s=5.5, photo_s=4, label_studio_s=4, predict_s=8, prompt_s=6, job_s=20,
    stalls_s=12, fault_s=3, batch=3, recovers_s=60,
)  # fmt: skip
