"""Models: a container image with the model data that goes into it."""

from dataclasses import dataclass
from typing import Any

from phenoloop.local_aws.sagemaker import resources
from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.containers import Images, UnknownImage
from phenoloop.local_aws.sagemaker.errors import ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.model_data import ModelData, ModelDataMissing
from phenoloop.local_aws.sagemaker.model_packages import existing_package
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

DESCRIBED = ("PrimaryContainer", "Containers", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation")
UNSUPPORTED_IN_CONTAINER = ("ModelDataSource", "AdditionalModelDataSources", "MultiModelConfig")


@dataclass(frozen=True, slots=True)
class Container:
    """What an endpoint runs of a model."""

    image: str
    model_data_url: str | None
    environment: dict[str, str]


class Models:
    def __init__(self, store: Store, images: Images, model_data: ModelData) -> None:
        self._store = store
        self._images = images
        self._model_data = model_data

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateModel": self.create,
            "DescribeModel": self.describe,
            "DeleteModel": self.delete,
            "ListModels": self.list,
        }

    def create(self, call: Call) -> Reply:
        """As SageMaker does, checks image and model data now, not when an endpoint starts."""
        refuse_unsupported(call.parameters, "InferenceExecutionConfig")
        container = container_of(self._store, call, call.parameters)
        try:
            self._images.command(container.image)
            if container.model_data_url:
                self._model_data.check(container.model_data_url)
        except (UnknownImage, ModelDataMissing) as error:
            raise ValidationException(str(error)) from error
        document = {member: call[member] for member in DESCRIBED if member in call.parameters}
        return {"ModelArn": resources.create(self._store, call, Kind.MODEL, call["ModelName"], document).arn}

    def describe(self, call: Call) -> Reply:
        model = resources.existing(self._store, call, Kind.MODEL, call["ModelName"])
        return {
            "ModelName": model.name,
            "ModelArn": model.arn,
            "CreationTime": model.created_at_s,
            "EnableNetworkIsolation": False,
            **model.document,
        }

    def delete(self, call: Call) -> Reply:
        """Endpoints that run the model go on."""
        with self._store.transaction():
            self._store.remove(resources.existing(self._store, call, Kind.MODEL, call["ModelName"]))
        return {}

    def list(self, call: Call) -> Reply:
        models, more = resources.page(call, self._store.all(Kind.MODEL), descending=True)
        return {"Models": [_summary(model) for model in models], **more}


def container_of(store: Store, call: Call, model: dict[str, Any]) -> Container:
    """The one container that a CreateModel request or a stored model names, through its model package if it has one.

    Raises ValidationException.
    """
    containers = [*filter(None, [model.get("PrimaryContainer")]), *model.get("Containers", [])]
    if len(containers) != 1:
        raise ValidationException(
            f"The local SageMaker runs models of one container, not {len(containers)} (no inference pipelines)."
        )
    (container,) = containers
    refuse_unsupported(container, *UNSUPPORTED_IN_CONTAINER)
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise ValidationException("The local SageMaker does not emulate multi-model containers.")
    if bool(container.get("Image")) == bool(container.get("ModelPackageName")):
        raise ValidationException(
            "Specify one of either Image and Model Data URL or ModelPackageName in container definition."
        )
    packaged = _packaged_container(store, call, container) if "ModelPackageName" in container else {}
    return Container(
        image=container.get("Image") or packaged["Image"],
        model_data_url=container.get("ModelDataUrl") or packaged.get("ModelDataUrl"),
        environment={**packaged.get("Environment", {}), **container.get("Environment", {})},
    )


def _packaged_container(store: Store, call: Call, container: dict[str, Any]) -> dict[str, Any]:
    package = existing_package(store, call, container["ModelPackageName"])
    if package.document.get("ModelApprovalStatus") != "Approved":
        raise ValidationException(f"Model package {package.arn} is not approved for deployment.")
    containers: list[dict[str, Any]] = package.document.get("InferenceSpecification", {}).get("Containers", [])
    if len(containers) != 1:
        raise ValidationException(
            f"Model package {package.arn} has {len(containers)} containers; the local SageMaker runs one per model "
            "(no inference pipelines). Create a model of each container's Image and ModelDataUrl."
        )
    return containers[0]


def _summary(model: Resource) -> Reply:
    return {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created_at_s}
