"""Endpoints of our own: made, scaled, deleted. What they serve gives them their name, so each is made once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from phenoloop.errors import EndpointRefused
from phenoloop.settings import TrainingSettings
from sync.sagemaker_errors import sagemaker_errors

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.type_defs import (
        ContainerDefinitionTypeDef,
        ProductionVariantTypeDef,
    )

T = TypeVar("T")

VARIANT = "live"
OURS = re.compile(r"phenoloop-(detector|segmenter)-[0-9a-f]{12}")
CALLS_A_MINUTE = 150.0
"""Of one instance, on average, before another one is started: half of what the detector does on an ml.c5.large."""
IN_TRANSITION = {"Creating", "Updating", "SystemUpdating", "RollingBack"}


@dataclass(frozen=True, slots=True)
class Hosting:
    """Every method raises RegistryFailed (SageMaker refuses) and SageMakerUnavailable."""

    sagemaker: SageMakerClient
    autoscaling: Any
    """boto3's client of application-autoscaling; asked for nothing unless `endpoint_instances_max` is above 1."""
    training: TrainingSettings

    def name(self, role: str, model_data_url: str, image: str) -> str:
        """Of model, configuration and endpoint alike."""
        memory_mb = self.training.serverless_memory_mb
        machine = f"serverless-{memory_mb}" if memory_mb else self.training.endpoint_instance_type
        machine += "".join((self.training.subnet_ids, self.training.security_group_ids))
        content = hashlib.sha256(f"{image} {model_data_url} {machine}".encode()).hexdigest()[:12]
        return f"phenoloop-{role}-{content}"

    def ensure(self, name: str, model_data_url: str, image: str) -> None:
        """Create model, configuration and endpoint as far as they are missing."""
        sagemaker, role_arn = self.sagemaker, self.training.role_arn
        container: ContainerDefinitionTypeDef = {
            "Image": image,
            "ModelDataUrl": model_data_url,
            "Environment": {"PHENOLOOP_ENDPOINT": name},
        }
        variant = self._variant(name)
        network: Any = {"VpcConfig": self.training.vpc} if self.training.vpc else {}
        with sagemaker_errors(endpoint=name):
            if _found(lambda: sagemaker.describe_model(ModelName=name)) is None:
                _unless_there(
                    lambda: sagemaker.create_model(
                        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role_arn, **network
                    )
                )
            if _found(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name)) is None:
                _unless_there(
                    lambda: sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
                )
            if _found(lambda: sagemaker.describe_endpoint(EndpointName=name)) is None:
                _unless_there(lambda: sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name))

    def is_in_service(self, name: str) -> bool:
        """Raises EndpointRefused if it never will be."""
        with sagemaker_errors(endpoint=name):
            described = _found(lambda: self.sagemaker.describe_endpoint(EndpointName=name))
        if described is None and OURS.fullmatch(name):  # its deletion ended just now; the next look makes it anew
            return False
        if described is None or described["EndpointStatus"] == "Failed":
            raise EndpointRefused(
                "An endpoint failed to start." if described else "There is no such endpoint.",
                cure="See the endpoint's log; approve the package again to try again.",
                endpoint=name,
                reason=described.get("FailureReason", "none given") if described else "it was deleted",
            )
        return described["EndpointStatus"] == "InService"

    def scale(self, name: str) -> None:
        """Let an endpoint that is in service grow with its calls, if the settings say so."""
        if self.training.endpoint_instances_max == 1 or self.training.serverless_memory_mb:
            return
        scaled = _scaled(name)
        with sagemaker_errors(endpoint=name):
            self.autoscaling.register_scalable_target(
                **scaled, MinCapacity=1, MaxCapacity=self.training.endpoint_instances_max
            )
            self.autoscaling.put_scaling_policy(
                **scaled,
                PolicyName=name,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration={
                    "TargetValue": CALLS_A_MINUTE,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
                },
            )

    def remove(self, name: str) -> bool:
        """Delete endpoint, configuration and model of ours; False while the endpoint is in transition."""
        sagemaker = self.sagemaker
        if not OURS.fullmatch(name):
            return True
        with sagemaker_errors(endpoint=name):
            described = _found(lambda: sagemaker.describe_endpoint(EndpointName=name))
            if described and described["EndpointStatus"] in IN_TRANSITION:
                return False
            if self.training.endpoint_instances_max > 1:
                _found(lambda: self.autoscaling.deregister_scalable_target(**_scaled(name)))
            if described and described["EndpointStatus"] != "Deleting":
                _found(lambda: sagemaker.delete_endpoint(EndpointName=name))
            _found(lambda: sagemaker.delete_endpoint_config(EndpointConfigName=name))
            _found(lambda: sagemaker.delete_model(ModelName=name))
        return True

    def _variant(self, name: str) -> ProductionVariantTypeDef:
        memory_mb, instance_type = self.training.serverless_memory_mb, self.training.endpoint_instance_type
        if memory_mb:
            calls = self.training.serverless_calls_at_once
            return {
                "VariantName": VARIANT,
                "ModelName": name,
                "ServerlessConfig": {"MemorySizeInMB": memory_mb, "MaxConcurrency": calls},
            }
        return {
            "VariantName": VARIANT,
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": instance_type,  # type: ignore[typeddict-item]  # any that AWS has
        }


def _scaled(name: str) -> dict[str, object]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/{VARIANT}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def _found(ask: Callable[[], T]) -> T | None:
    """What `ask` answers; None if there is no such thing."""
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in {"ValidationException", "ResourceNotFound", "ObjectNotFoundException"}:
            return None
        raise


def _unless_there(create: Callable[[], object]) -> None:
    """Another worker may have made it since we looked."""
    try:
        create()
    except ClientError as error:
        if "already exist" not in error.response["Error"].get("Message", ""):
            raise
