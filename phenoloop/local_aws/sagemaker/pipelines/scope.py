"""What the references in a step's arguments stand for, while an execution runs."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from phenoloop.local_aws.sagemaker.calls import Call, Handler
from phenoloop.local_aws.sagemaker.pipelines import expressions, paths
from phenoloop.local_aws.sagemaker.pipelines.definition import Definition
from phenoloop.local_aws.sagemaker.pipelines.expressions import Unresolvable
from phenoloop.local_aws.sagemaker.pipelines.records import Execution, StepRecord, execution_id
from phenoloop.local_aws.sagemaker.s3_files import S3Files, S3Unreadable
from phenoloop.local_aws.sagemaker.store import Resource

DESCRIPTIONS = {
    "Processing": ("DescribeProcessingJob", "ProcessingJobName"),
    "Training": ("DescribeTrainingJob", "TrainingJobName"),
    "RegisterModel": ("DescribeModelPackage", "ModelPackageName"),
}


class ExecutionScope:
    def __init__(
        self, resource: Resource, definition: Definition, operations: Mapping[str, Handler], files: S3Files
    ) -> None:
        self._resource = resource
        self._execution = Execution.of(resource)
        self._definition = definition
        self._operations = operations
        self._files = files

    def value(self, reference: expressions.Reference) -> Any:
        match reference:
            case expressions.Parameter(name):
                return self._execution.parameters[name]
            case expressions.ExecutionVariable(name):
                return self._variable(name)
            case expressions.StepProperty(step, path):
                try:
                    return paths.looked_up(self._properties(step), path)
                except paths.NoSuchPath as error:
                    raise Unresolvable(f"step {step} has no such property: {error}") from error
            case expressions.PropertyFile(step, name):
                return self._property_file(step, name)

    def _variable(self, name: str) -> str:
        execution_arn = self._resource.arn
        match name:
            case "PipelineExecutionId":
                return execution_id(self._resource)
            case "PipelineExecutionArn":
                return execution_arn
            case "PipelineName":
                return self._execution.pipeline
            case "PipelineArn":
                return execution_arn.partition("/execution/")[0]
            case "StartDateTime":
                return iso_time(self._resource.created_at_s)
            case _:
                return iso_time(time.time())

    def _properties(self, name: str) -> dict[str, Any]:
        """The reply that describes what the step made."""
        step = self._record(name)
        if step.type == "Condition":
            return {"Outcome": str(step.outcome)}
        if step.type not in DESCRIPTIONS:
            raise Unresolvable(f"step {name} has no properties")
        operation, member = DESCRIPTIONS[step.type]
        region = self._resource.arn.split(":")[3]
        return self._operations[operation](Call(operation, region, {member: step.job_name or step.arn}))

    def _property_file(self, step: str, name: str) -> Any:
        """Read from where the step's output was uploaded."""
        files = self._definition.step(step).property_files
        file = next(file for file in files if file.property_file_name == name)
        path = ("ProcessingOutputConfig", "Outputs", file.output_name, "S3Output", "S3Uri")
        try:
            url = f"{paths.looked_up(self._properties(step), path).rstrip('/')}/{file.file_path}"
            return json.loads(self._files.read(url))
        except (paths.NoSuchPath, S3Unreadable, ValueError) as error:
            raise Unresolvable(f"property file {name} of step {step} can't be read: {error}") from error

    def _record(self, name: str) -> StepRecord:
        if name not in self._execution.steps:
            raise Unresolvable(f"step {name} did not run")
        return self._execution.steps[name]


def iso_time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
