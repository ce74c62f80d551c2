"""The steps that many tests begin with."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.sagemaker_server import IMAGE, MODEL_URL, ROLE, unique

TWO_CONTAINERS: dict[str, Any] = {
    "Containers": [
        {"ContainerHostname": role, "Image": IMAGE, "ModelDataUrl": MODEL_URL} for role in ("detector", "segmenter")
    ],
    "SupportedContentTypes": ["application/json"],
    "SupportedResponseMIMETypes": ["application/json"],
}
ONE_CONTAINER: dict[str, Any] = {**TWO_CONTAINERS, "Containers": TWO_CONTAINERS["Containers"][:1]}


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """Code and message."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def make_model(sagemaker: Any, name: str | None = None, **container: Any) -> str:
    name = name or unique("model")
    primary = {"Image": IMAGE, "ModelDataUrl": MODEL_URL, **container}
    sagemaker.create_model(ModelName=name, PrimaryContainer=primary, ExecutionRoleArn=ROLE)
    return name


def make_group(sagemaker: Any) -> str:
    name = unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription="Möhren, 2 models")
    return name


def register(sagemaker: Any, group: str, **members: Any) -> str:
    members = {"InferenceSpecification": TWO_CONTAINERS, **members}
    return str(sagemaker.create_model_package(ModelPackageGroupName=group, **members)["ModelPackageArn"])
