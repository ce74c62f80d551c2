"""Retry policies of steps: which failures are tried again, when, and how often.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

import time
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from phenoloop.local_aws.sagemaker.pipelines.records import StepRecord

Fault = Literal[
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
]
DEFAULT_ATTEMPTS = 5


class RetryPolicy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal)

    exception_type: Annotated[tuple[Fault, ...], Field(min_length=1)]
    interval_seconds: Annotated[int, Field(ge=1, le=43_200)] = 1
    backoff_rate: Annotated[float, Field(gt=0)] = 2.0
    max_attempts: Annotated[int | None, Field(ge=1, le=20)] = None
    """Not counting the first."""
    expire_after_min: Annotated[int | None, Field(ge=1, le=14_400)] = None


def retry_at_s(policies: Iterable[RetryPolicy], failed: StepRecord) -> float | None:
    """When the step is to be tried again; None if it is not."""
    policy = next((policy for policy in policies if _fault(failed) in policy.exception_type), None)
    if policy is None or _is_used_up(policy, failed):
        return None
    return time.time() + policy.interval_seconds * policy.backoff_rate ** (failed.attempts - 1)


def _is_used_up(policy: RetryPolicy, failed: StepRecord) -> bool:
    if policy.expire_after_min is not None and time.time() > failed.started_at_s + 60 * policy.expire_after_min:
        return True
    attempts = policy.max_attempts or (None if policy.expire_after_min else DEFAULT_ATTEMPTS)
    return attempts is not None and failed.attempts > attempts


def _fault(failed: StepRecord) -> Fault | None:
    """What its FailureReason begins with; a job that was made failed by itself, otherwise its making did."""
    match failed.failure_reason.partition(":")[0]:
        case "InternalServerError":
            return "SageMaker.JOB_INTERNAL_ERROR" if failed.job_name else "Step.SERVICE_FAULT"
        case "CapacityError":
            return "SageMaker.CAPACITY_ERROR"
        case "ResourceLimitExceeded":
            return "SageMaker.RESOURCE_LIMIT"
        case "ThrottlingException":
            return "Step.THROTTLING"
    return None
