"""Where an execution and its steps stand: what must survive a restart."""

import time
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from phenoloop.local_aws.sagemaker.pipelines.parameters import Value
from phenoloop.local_aws.sagemaker.store import Resource

MAX_REASON = 1024


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class StepStatus(StrEnum):
    EXECUTING = "Executing"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"

    @property
    def is_final(self) -> bool:
        return self not in (StepStatus.EXECUTING, StepStatus.STOPPING)


class ExecutionStatus(StrEnum):
    EXECUTING = "Executing"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"

    @property
    def is_final(self) -> bool:
        return self not in (ExecutionStatus.EXECUTING, ExecutionStatus.STOPPING)


class StepRecord(_Record):
    """A step that was started."""

    name: str
    type: str
    status: StepStatus
    started_at_s: float
    ended_at_s: float | None = None
    failure_reason: str = ""
    job_name: str = ""
    arn: str = ""
    """Of the job, or of the model package made."""
    outcome: bool | None = None
    """Of a Condition."""
    signature: str = ""
    """Under which a later execution may find it again."""
    cached_from: str = ""
    """The execution that did it, if this one did not have to."""
    attempts: int = 1
    retry_at_s: float | None = None
    """It failed and waits until then."""

    @classmethod
    def started(cls, name: str, kind: str, **members: Any) -> "StepRecord":
        return cls(name=name, type=kind, status=StepStatus.EXECUTING, started_at_s=time.time(), **members)

    def having(self, status: StepStatus, reason: str = "") -> "StepRecord":
        ended = {"ended_at_s": time.time()} if status.is_final else {}
        return self.model_copy(update={"status": status, "failure_reason": reason[:MAX_REASON], **ended})

    def waiting_until(self, retry_at_s: float) -> "StepRecord":
        """To be tried again."""
        again = {"status": StepStatus.EXECUTING, "ended_at_s": None, "retry_at_s": retry_at_s}
        return self.model_copy(update={**again, "attempts": self.attempts + 1})

    def attempted_again(self, attempt: "StepRecord") -> "StepRecord":
        """The next attempt, as one of the same step."""
        return attempt.model_copy(update={"attempts": self.attempts, "started_at_s": self.started_at_s})


class Execution(_Record):
    pipeline: str
    status: ExecutionStatus
    definition: str
    parameters: dict[str, Value]
    token: str
    described: dict[str, Any]
    """Members that DescribePipelineExecution gives back as they came."""
    max_parallel_steps: int
    steps: dict[str, StepRecord] = {}
    failure_reason: str = ""
    ended_at_s: float | None = None

    @classmethod
    def of(cls, resource: Resource) -> "Execution":
        return cls.model_validate(resource.document)

    @property
    def running(self) -> list[StepRecord]:
        return [step for step in self.steps.values() if not step.status.is_final]

    @property
    def failed(self) -> list[StepRecord]:
        return [step for step in self.steps.values() if step.status == StepStatus.FAILED]

    @property
    def goes_on(self) -> bool:
        """Whether more steps may start."""
        return self.status == ExecutionStatus.EXECUTING and not self.failed

    def with_step(self, step: StepRecord) -> "Execution":
        return self.model_copy(update={"steps": {**self.steps, step.name: step}})

    def having(self, status: ExecutionStatus, reason: str = "") -> "Execution":
        ended = {"ended_at_s": time.time()} if status.is_final else {}
        return self.model_copy(update={"status": status, "failure_reason": " ".join(reason.split()), **ended})


def execution_id(resource: Resource) -> str:
    """The last part of its ARN."""
    return resource.name.rpartition("/")[2]
