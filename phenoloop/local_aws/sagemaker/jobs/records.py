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
    WAITED_TOO_LONG = "MaxWaitTimeExceeded"
    INTERRUPTED = "Interrupted"


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
    metrics: dict[str, float] = {}
    """By name, as the container printed them last."""

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

    @property
    def ran_s(self) -> float:
        """How long its containers ran, interruptions left out."""
        ran = [t for t in self.transitions if t.phase == Phase.RUNNING and t.ended_at_s is not None]
        return sum((t.ended_at_s or t.started_at_s) - t.started_at_s for t in ran)

    def beginning(self) -> "Job":
        """A new run, from the start."""
        first = Transition(phase=Phase.STARTING, started_at_s=time.time())
        return self.model_copy(update={"transitions": (first,), "runs": self.runs + 1, "container_started_at_s": None})

    def entering(self, phase: Phase) -> "Job":
        now_s = time.time()
        *earlier, current = self.transitions
        ended = current.model_copy(update={"ended_at_s": now_s})
        first = phase == Phase.RUNNING and self.container_started_at_s is None
        started = {"container_started_at_s": now_s} if first else {}
        transitions = (*earlier, ended, Transition(phase=phase, started_at_s=now_s))
        return self.model_copy(update={"transitions": transitions, **started})

    def stopping(self) -> "Job":
        return self.entering(Phase.STOPPING).model_copy(update={"status": JobStatus.STOPPING})

    def ended(
        self, phase: Phase, *, reason: str = "", exit_message: str = "", metrics: dict[str, float] | None = None
    ) -> "Job":
        """For good."""
        late = phase in (Phase.TOO_LONG, Phase.WAITED_TOO_LONG)
        status = JobStatus.STOPPED if late else JobStatus(phase.value)
        last = self.entering(phase)
        return last.model_copy(
            update={
                "status": status,
                "ended_at_s": last.transitions[-1].started_at_s,
                "failure_reason": reason[:MAX_REASON],
                "exit_message": exit_message[:MAX_REASON],
                "metrics": metrics or {},
            }
        )

    def put_off(self) -> "Job":
        """The server stops in good order; the next one begins the job again."""
        return self.model_copy(update={"runs": self.runs - 1})
