"""What a step of each type does."""

import re
import secrets
import string
from collections.abc import Mapping
from typing import Any

from phenoloop.local_aws.sagemaker.calls import Call, Handler
from phenoloop.local_aws.sagemaker.errors import ServiceError, ValidationException
from phenoloop.local_aws.sagemaker.pipelines import conditions
from phenoloop.local_aws.sagemaker.pipelines.definition import Step
from phenoloop.local_aws.sagemaker.pipelines.expressions import Unresolvable, is_expression
from phenoloop.local_aws.sagemaker.pipelines.records import StepRecord, StepStatus, execution_id
from phenoloop.local_aws.sagemaker.shapes import Shapes
from phenoloop.local_aws.sagemaker.store import Resource

MAX_JOB_NAME = 63
ALPHABET = string.ascii_letters + string.digits
JOB_ENDS = {
    "Completed": StepStatus.SUCCEEDED,
    "Failed": StepStatus.FAILED,
    "Stopped": StepStatus.STOPPED,
}


OPERATIONS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "RegisterModel": "CreateModelPackage",
}
FAULTS = {
    "InternalFailure": "InternalServerError",
    "ResourceLimitExceeded": "ResourceLimitExceeded",
    "ThrottlingException": "ThrottlingException",
}
"""Codes of refusals that another attempt may not meet, as a FailureReason begins with them."""
NAME_MEMBERS = {"Processing": "ProcessingJobName", "Training": "TrainingJobName"}


class StepFailed(Exception):
    """The text is a FailureReason."""


class Steps:
    def __init__(self, operations: Mapping[str, Handler], shapes: Shapes) -> None:
        self.operations = operations
        self._shapes = shapes

    def begin(self, step: Step, arguments: dict[str, Any], execution: Resource) -> StepRecord:
        """Start it, with its arguments resolved; what takes no time is done at once. Raises StepFailed."""
        begun = StepRecord.started(step.name, step.type)
        match step.type:
            case "Processing" | "Training":
                return self._begin_job(begun, arguments, execution)
            case "RegisterModel":
                return self._register(begun, arguments, execution)
            case "Fail":
                return begun.having(StepStatus.FAILED, str(arguments["ErrorMessage"]))
            case "Condition":
                try:
                    outcome = all(conditions.holds(condition) for condition in arguments["Conditions"])
                except Unresolvable as error:
                    raise StepFailed(f"ClientError: {error}") from error
                return begun.model_copy(update={"outcome": outcome}).having(StepStatus.SUCCEEDED)

    def looked_at(self, step: StepRecord, execution: Resource) -> StepRecord:
        """The record of a running step as its job stands now."""
        noun = f"{step.type}Job"
        job = self._call(f"Describe{noun}", {f"{noun}Name": step.job_name}, execution)
        status = JOB_ENDS.get(job[f"{noun}Status"])
        if status is None:
            return step
        if status == StepStatus.STOPPED and step.status != StepStatus.STOPPING:
            why = "The job was stopped, by a call or by its StoppingCondition."
            return step.having(StepStatus.FAILED, f"ClientError: {why}")
        return step.having(status, job.get("FailureReason", ""))

    def halt(self, step: StepRecord, execution: Resource) -> StepRecord:
        """Stop a running step's job; one that waits for its next attempt has none."""
        if step.retry_at_s is not None:
            return step.having(StepStatus.STOPPED)
        try:
            self._call(f"Stop{step.type}Job", {f"{step.type}JobName": step.job_name}, execution)
        except StepFailed:  # it has just ended, or is stopping already
            return step.having(StepStatus.STOPPING)
        return step.having(StepStatus.STOPPING)

    def _begin_job(self, begun: StepRecord, arguments: dict[str, Any], execution: Resource) -> StepRecord:
        name = _job_name(begun.name, execution)
        request = {**arguments, NAME_MEMBERS[begun.type]: name}
        created = self._call(OPERATIONS[begun.type], request, execution, step=begun.name)
        return begun.model_copy(update={"job_name": name, "arn": created[f"{begun.type}JobArn"]})

    def _register(self, begun: StepRecord, arguments: dict[str, Any], execution: Resource) -> StepRecord:
        """As AWS, says in the package's metadata which execution made it."""
        metadata = {"GeneratedBy": execution.arn, **arguments.get("MetadataProperties", {})}
        request = {**arguments, "MetadataProperties": metadata}
        created = self._call(OPERATIONS[begun.type], request, execution, step=begun.name)
        return begun.model_copy(update={"arn": created["ModelPackageArn"]}).having(StepStatus.SUCCEEDED)

    def _call(self, operation: str, request: dict[str, Any], execution: Resource, *, step: str = "") -> dict[str, Any]:
        """As if it came over the wire, checks included. Raises StepFailed."""
        region = execution.arn.split(":")[3]
        try:
            self._shapes.check_request(operation, request)
            return self.operations[operation](Call(operation, region, request))
        except ServiceError as error:
            where = f"Step {step}: " if step else ""
            kind = FAULTS.get(error.code, "ClientError")
            raise StepFailed(f"{kind}: {where}{operation} was refused: {error.message}") from error


def check_arguments(step: Step, shapes: Shapes) -> None:
    """Before expressions are resolved, whatever they become. Raises ValidationException that names the step."""
    if step.type not in OPERATIONS:
        return
    name = {NAME_MEMBERS[step.type]: "name"} if step.type in NAME_MEMBERS else {}
    try:
        shapes.check_request(OPERATIONS[step.type], {**step.arguments, **name}, is_open=is_expression)
    except ValidationException as error:
        raise ValidationException(f"Step {step.name}: {error.message}") from error


def _job_name(step: str, execution: Resource) -> str:
    """`pipelines-EXECUTIONID-STEP-RANDOM`."""
    prefix = f"pipelines-{execution_id(execution)}-"
    suffix = "-" + "".join(secrets.choice(ALPHABET) for _ in range(10))
    middle = re.sub(r"[^A-Za-z0-9-]", "-", step)[: MAX_JOB_NAME - len(prefix) - len(suffix)]
    return prefix + middle + suffix
