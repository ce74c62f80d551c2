"""From an approved package to the live release: endpoints, then the release object, then the pointer."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from phenoloop.chain.release import Release, StageEndpoint
from phenoloop.chain.releases import ReleaseStore
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import EndpointRefused, RegistryFailed
from sync.registry import chain_package
from sync.sagemaker_errors import sagemaker_errors

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.literals import ProductionVariantInstanceTypeType
    from types_boto3_sagemaker.type_defs import ContainerDefinitionTypeDef, ProductionVariantTypeDef

T = TypeVar("T")

READY_TIMEOUT_S = 900.0
POLL_S = 1.0


def deploy(
    package_arn: str,
    *,
    sagemaker: SageMakerClient,
    s3: S3Client,
    store: ReleaseStore,
    role_arn: str,
    instance_type: ProductionVariantInstanceTypeType = "ml.c5.large",
) -> Release:
    """Make the approved package's chain the live release.

    Endpoints are named by what they serve: one that exists is reused. Doing it again changes nothing.
    Raises RegistryFailed, SageMakerUnavailable, EndpointRefused (an endpoint failed), StorageUnavailable and
    WriteConflict.
    """
    package = chain_package(sagemaker, package_arn)
    if not package.approved:
        raise RegistryFailed("The model package is not approved.", cure="Approve it first.", package=package_arn)
    stages = {"detector": package.artifacts.detector_url, "segmenter": package.artifacts.segmenter_url}
    with sagemaker_errors(package=package_arn):
        detector, segmenter = (
            _ensure_endpoint(sagemaker, role, url, package.image, role_arn=role_arn, instance_type=instance_type)
            for role, url in stages.items()
        )
    for name in (detector, segmenter):
        wait_in_service(sagemaker, name)
    release = Release.named(
        package_arn=package_arn,
        detector=StageEndpoint(endpoint=detector, model_data_url=stages["detector"]),
        segmenter=StageEndpoint(endpoint=segmenter, model_data_url=stages["segmenter"]),
        manifest=_read_json(s3, package.artifacts.manifest_url),
    )
    store.publish(release)
    store.move_pointer(release.name)
    return release


def wait_in_service(sagemaker: SageMakerClient, endpoint: str, *, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Raises EndpointRefused if it failed or is not in service in time, and what `sagemaker_errors` raises."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        with sagemaker_errors(endpoint=endpoint):
            described = sagemaker.describe_endpoint(EndpointName=endpoint)
        status = described["EndpointStatus"]
        if status == "InService":
            return
        if status == "Failed" or time.monotonic() > deadline_s:
            raise EndpointRefused(
                "An endpoint is not in service.",
                cure="See the endpoint's log.",
                endpoint=endpoint,
                status=status,
                reason=described.get("FailureReason", "it took too long"),
            )
        time.sleep(POLL_S)


def _ensure_endpoint(
    sagemaker: SageMakerClient,
    role: str,
    model_data_url: str,
    image: str,
    *,
    role_arn: str,
    instance_type: ProductionVariantInstanceTypeType,
) -> str:
    """Create model, configuration and endpoint as far as they are missing; the name all three share."""
    content = hashlib.sha256(f"{image} {model_data_url} {instance_type}".encode()).hexdigest()[:12]
    name = f"phenoloop-{role}-{content}"
    if _found(lambda: sagemaker.describe_model(ModelName=name)) is None:
        container: ContainerDefinitionTypeDef = {"Image": image, "ModelDataUrl": model_data_url}
        sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role_arn)
    if _found(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name)) is None:
        variant: ProductionVariantTypeDef = {
            "VariantName": "live",
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": instance_type,
        }
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    endpoint = _found(lambda: sagemaker.describe_endpoint(EndpointName=name))
    if endpoint and endpoint["EndpointStatus"] == "Failed":  # it can't recover, but what it serves may work by now
        sagemaker.delete_endpoint(EndpointName=name)
        sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name)
        endpoint = None
    if endpoint is None:
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return name


def _found(describe: Callable[[], T]) -> T | None:
    """What `describe` answers; None if there is no such thing."""
    try:
        return describe()
    except ClientError as error:
        if error.response["Error"]["Code"] in {"ValidationException", "ResourceNotFound"}:
            return None
        raise


def _read_json(s3: S3Client, url: str) -> dict[str, object]:
    bucket, key = urlsplit(url).netloc, urlsplit(url).path.lstrip("/")
    with s3_errors(RegistryFailed, key=key):
        return dict(json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
