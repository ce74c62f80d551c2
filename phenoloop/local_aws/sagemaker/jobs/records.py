"""Where a job stands: the part of its record that must survive a restart."""

import time
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from phenoloop.local_aws.sagemaker.store import Resource

MAX_REASON = 1024


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"

    @property
    def is_final(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)


class Phase(StrEnum):
    """SageMaker's secondary statuses of training jobs; processing jobs pass through the same, unseen."""

    STARTING = "Starting"
    DOWNLOADING = "Downloading"
    RUNNING = "Training"
    UPLOADING = "Uploading"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    TOO_LONG = "MaxRuntimeExceeded"


class Transition(_Record):
    phase: Phase
    started_at_s: float
    ended_at_s: float | None = None


class Job(_Record):
    request: dict[str, Any]
    """As sent to Create...Job."""
    status: JobStatus
    transitions: tuple[Transition, ...]
    runs: int = 0
    """Runs begun and not ended in good order."""
    container_started_at_s: float | None = None
    ended_at_s: float | None = None
    failure_reason: str = ""
    exit_message: str = ""

    @classmethod
    def of(cls, resource: Resource) -> "Job":
        return cls.model_validate(resource.document)

    @classmethod
    def created(cls, request: dict[str, Any]) -> "Job":
        first = Transition(phase=Phase.STARTING, started_at_s=time.time())
        return cls(request=request, status=JobStatus.IN_PROGRESS, transitions=(first,))

    @property
    def phase(self) -> Phase:
        return self.transitions[-1].phase

    def beginning(self) -> "Job":
        """A new run, from the start."""
        first = Transition(phase=Phase.STARTING, started_at_s=time.time())
        return self.model_copy(update={"transitions": (first,), "runs": self.runs + 1, "container_started_at_s": None})

    def entering(self, phase: Phase) -> "Job":
        now_s = time.time()
        *earlier, current = self.transitions
        ended = current.model_copy(update={"ended_at_s": now_s})
        started = {"container_started_at_s": now_s} if phase == Phase.RUNNING else {}
        transitions = (*earlier, ended, Transition(phase=phase, started_at_s=now_s))
        return self.model_copy(update={"transitions": transitions, **started})

    def stopping(self) -> "Job":
        return self.entering(Phase.STOPPING).model_copy(update={"status": JobStatus.STOPPING})

    def ended(self, phase: Phase, *, reason: str = "", exit_message: str = "") -> "Job":
        """For good. `phase` is one of the last four."""
        status = JobStatus.STOPPED if phase == Phase.TOO_LONG else JobStatus(phase.value)
        last = self.entering(phase)
        return last.model_copy(
            update={
                "status": status,
                "ended_at_s": last.transitions[-1].started_at_s,
                "failure_reason": reason[:MAX_REASON],
                "exit_message": exit_message[:MAX_REASON],
            }
        )

    def put_off(self) -> "Job":
        """The server stops in good order; the next one begins the job again."""
        return self.model_copy(update={"runs": self.runs - 1})
