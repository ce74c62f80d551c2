"""How far a run is: its pipeline execution and the steps of it, as SageMaker tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.type_defs import PipelineExecutionStepMetadataTypeDef, PipelineExecutionStepTypeDef

OVERTAKEN = "Overtaken"
"""Ours, of a run that SageMaker was not told of before a newer one was asked for: it never will be."""
FAILED = ("Failed", "Stopped", OVERTAKEN)
ENDED = ("Succeeded", *FAILED)
REQUESTED = "Requested"
"""Ours, before SageMaker was told."""


@dataclass(frozen=True, slots=True)
class StepProgress:
    name: str
    status: str
    """SageMaker's: Starting, Executing, Stopping, Stopped, Failed, Succeeded."""
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    failure_reason: str
    made: str
    """ARN of its job or model package, or what a condition came to; empty if there is none as yet."""
    cached_from: str
    """ARN of the execution that did the same before, so that this one did not have to."""


@dataclass(frozen=True, slots=True)
class Execution:
    arn: str
    status: str
    """SageMaker's: Executing, Stopping, Stopped, Failed, Succeeded."""
    failure_reason: str
    progress: tuple[StepProgress, ...]
    """Of the steps started so far, in order of their start."""
    package_arn: str | None
    """What it registered."""

    @property
    def steps(self) -> Mapping[str, str]:
        """Step name -> its status."""
        return {step.name: step.status for step in self.progress}


def execution(sagemaker: SageMakerClient, arn: str) -> Execution:
    """Raises botocore's errors."""
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    steps = [step for page in pages for step in page["PipelineExecutionSteps"]]
    registered = [step.get("Metadata", {}).get("RegisterModel", {}).get("Arn") for step in steps]
    return Execution(
        arn=arn,
        status=described["PipelineExecutionStatus"],
        failure_reason=described.get("FailureReason", ""),
        progress=tuple(_progress(step) for step in steps),
        package_arn=next(filter(None, registered), None),
    )


def _progress(step: PipelineExecutionStepTypeDef) -> StepProgress:
    return StepProgress(
        name=step["StepName"],
        status=step["StepStatus"],
        started_at=step.get("StartTime"),
        ended_at=step.get("EndTime"),
        attempts=step.get("AttemptCount", 1),
        failure_reason=step.get("FailureReason", ""),
        made=_made(step.get("Metadata", {})),
        cached_from=step.get("CacheHitResult", {}).get("SourcePipelineExecutionArn", ""),
    )


def _made(metadata: PipelineExecutionStepMetadataTypeDef) -> str:
    job = metadata.get("ProcessingJob") or metadata.get("TrainingJob") or metadata.get("RegisterModel") or {}
    return str(job.get("Arn", "")) or metadata.get("Condition", {}).get("Outcome", "")
