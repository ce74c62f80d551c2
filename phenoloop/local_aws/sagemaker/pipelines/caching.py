"""Step caching: a step that ran before with the same attributes is not run again.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html. The attributes, without outputs and resources:
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html
"""

import hashlib
import json
import re
import time
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic.alias_generators import to_pascal

from phenoloop.local_aws.sagemaker.pipelines.records import Execution, StepRecord, StepStatus
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

ATTRIBUTES = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        *("AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations"),
        *("Environment", "HyperParameters", "InputDataConfig"),
    ),
}
DURATION = re.compile(
    r"P?(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?",
    re.IGNORECASE,
)
SECONDS = {"years": 31_536_000, "months": 2_592_000, "weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60}


class CacheConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal)

    enabled: bool
    expire_after: str
    """ISO 8601, with or without its P."""

    @field_validator("expire_after")
    @classmethod
    def _is_a_duration(cls, text: str) -> str:
        if not any(_parts(text).values()):
            raise ValueError(f"{text!r} is not a duration such as P30D or PT1H")
        return text

    @property
    def expire_after_s(self) -> int:
        return sum(SECONDS[unit] * int(count) for unit, count in _parts(self.expire_after).items() if count)


def signature(kind: str, config: CacheConfig | None, arguments: dict[str, Any]) -> str:
    """Of a step's resolved arguments; empty if the step is not to be cached."""
    if config is None or not config.enabled or kind not in ATTRIBUTES:
        return ""
    text = json.dumps({name: arguments.get(name) for name in ATTRIBUTES[kind]}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def earlier(store: Store, execution: Resource, step: str, sign: str, config: CacheConfig) -> StepRecord | None:
    """The step as it was done last in an execution of the same pipeline, if that is not too long ago."""
    pipeline, after_s = execution.document["pipeline"], time.time() - config.expire_after_s
    found = [
        (record.ended_at_s, other.arn, record)
        for other in store.all(Kind.PIPELINE_EXECUTION)
        if other.document["pipeline"] == pipeline
        for record in Execution.of(other).steps.values()
        if (record.name, record.signature, record.status) == (step, sign, StepStatus.SUCCEEDED)
        and not record.cached_from
        and record.ended_at_s is not None
        and record.ended_at_s > after_s
    ]
    if not found:
        return None
    _, arn, record = max(found)
    fresh = StepRecord.started(step, record.type, job_name=record.job_name, arn=record.arn, signature=sign)
    return fresh.model_copy(update={"cached_from": arn}).having(StepStatus.SUCCEEDED)


def _parts(text: str) -> dict[str, str]:
    match = DURATION.fullmatch(text)
    return match.groupdict() if match else {}
