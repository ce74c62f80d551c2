"""Pipeline definitions to test with, and what became of their executions."""

import json
from typing import Any

from tests.contract.sagemaker_jobs import processing, training
from tests.contract.sagemaker_server import BUCKET, MODEL_URL, ROLE, SageMakerServer, unique, wait_until
from tests.contract.sagemaker_steps import TWO_CONTAINERS

Json = dict[str, Any]


def get(path: str) -> Json:
    return {"Get": path}


def join(*values: Any, on: str = "") -> Json:
    return {"Std:Join": {"On": on, "Values": list(values)}}


def json_get(step: str, path: str, file: str = "Report") -> Json:
    return {"Std:JsonGet": {"PropertyFile": get(f"Steps.{step}.PropertyFiles.{file}"), "Path": path}}


def processing_step(name: str, *, after: list[str] | None = None, **request: Any) -> Json:
    """Its property file `Report` is what the environment variable REPORT says."""
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": processing(to=f"s3://{BUCKET}/{unique(name)}", **request),
        "PropertyFiles": [{"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}],
        **({"DependsOn": after} if after else {}),
    }


def training_step(name: str, *, after: list[str] | None = None, **request: Any) -> Json:
    return {
        "Name": name,
        "Type": "Training",
        "Arguments": training(**request),
        **({"DependsOn": after} if after else {}),
    }


def condition_step(name: str, *conditions: Json, then: list[Json], otherwise: list[Json] | None = None) -> Json:
    arguments = {"Conditions": list(conditions), "IfSteps": then, "ElseSteps": otherwise or []}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def compare(kind: str, left: Any, right: Any) -> Json:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


def fail_step(name: str, message: Any) -> Json:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}}


def register_step(name: str, group: Any, detector: Any = MODEL_URL, **members: Any) -> Json:
    first, second = TWO_CONTAINERS["Containers"]
    specification = {**TWO_CONTAINERS, "Containers": [{**first, "ModelDataUrl": detector}, second]}
    arguments = {"ModelPackageGroupName": group, "InferenceSpecification": specification, **members}
    return {"Name": name, "Type": "RegisterModel", "Arguments": arguments}


def definition(*steps: Json, **defaults: Any) -> str:
    """Parameters are typed by their defaults; one whose default is a type has none."""
    types = {str: "String", int: "Integer", float: "Float", bool: "Boolean"}
    parameters = [
        {"Name": name, "Type": types[value]}
        if isinstance(value, type)
        else {"Name": name, "Type": types[type(value)], "DefaultValue": value}
        for name, value in defaults.items()
    ]
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters, "Steps": list(steps)})


def create(sagemaker: Any, text: str) -> str:
    name = unique("pipeline")
    sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=text, RoleArn=ROLE)
    return name


def start(server: SageMakerServer, text: str, **parameters: str) -> str:
    """The ARN of an execution of a new pipeline."""
    values = [{"Name": name, "Value": value} for name, value in parameters.items()]
    name = create(server.control, text)
    reply = server.control.start_pipeline_execution(PipelineName=name, PipelineParameters=values)
    return str(reply["PipelineExecutionArn"])


def execute(server: SageMakerServer, text: str, **parameters: str) -> str:
    arn = start(server, text, **parameters)
    wait_until(lambda: status(server, arn) not in {"Executing", "Stopping"}, timeout_s=20)
    return arn


def described(server: SageMakerServer, arn: str) -> Json:
    return dict(server.control.describe_pipeline_execution(PipelineExecutionArn=arn))


def status(server: SageMakerServer, arn: str) -> str:
    return str(described(server, arn)["PipelineExecutionStatus"])


def steps(server: SageMakerServer, arn: str) -> dict[str, Json]:
    """By name, in the order in which they began."""
    pages = server.control.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    return {step["StepName"]: step for page in pages for step in page["PipelineExecutionSteps"]}


def job_of(step: Json) -> str:
    """The name of the job that it ran."""
    (metadata,) = step["Metadata"].values()
    return str(metadata["Arn"].rpartition("/")[2])
