"""Endpoints: created, updated blue/green, described in transition, deleted."""

import time
import uuid
from typing import Any

from phenoloop.local_aws.sagemaker import resources
from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.deployments import Deployment, Endpoint, Status, Variant
from phenoloop.local_aws.sagemaker.errors import ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.hosting import Hosting
from phenoloop.local_aws.sagemaker.models import container_of
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

UNSUPPORTED = ("DeploymentConfig", "RetainAllVariantProperties", "RetainDeploymentConfig")
STARTUP_TIMEOUT = "ContainerStartupHealthCheckTimeoutInSeconds"


class Endpoints:
    def __init__(self, store: Store, hosting: Hosting) -> None:
        self._store = store
        self._hosting = hosting

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateEndpoint": self.create,
            "DescribeEndpoint": self.describe,
            "UpdateEndpoint": self.update,
            "DeleteEndpoint": self.delete,
            "ListEndpoints": self.list,
        }

    def create(self, call: Call) -> Reply:
        refuse_unsupported(call.parameters, *UNSUPPORTED)
        with self._store.transaction():
            record = Endpoint.creating(self._deployment(call)).model_dump(mode="json")
            endpoint = resources.create(self._store, call, Kind.ENDPOINT, call["EndpointName"], record)
        self._hosting.roll_out(endpoint.name)
        return {"EndpointArn": endpoint.arn}

    def describe(self, call: Call) -> Reply:
        resource = resources.existing(self._store, call, Kind.ENDPOINT, call["EndpointName"])
        endpoint = Endpoint.of(resource)
        shown = endpoint.live or endpoint.pending
        config = {"EndpointConfigName": shown.config_name} if shown else {}
        live = {"ProductionVariants": _variants(endpoint.live)} if endpoint.live else {}
        reason = {"FailureReason": endpoint.failure_reason} if endpoint.failure_reason else {}
        return {**_summary(resource), **config, **live, **reason, **_pending(endpoint)}

    def update(self, call: Call) -> Reply:
        refuse_unsupported(call.parameters, *UNSUPPORTED)
        with self._store.transaction():
            resource = resources.existing(self._store, call, Kind.ENDPOINT, call["EndpointName"])
            endpoint = Endpoint.of(resource)
            if endpoint.status == Status.FAILED:
                raise ValidationException(f'Cannot update failed endpoint "{resource.arn}". Delete it.')
            if endpoint.status != Status.IN_SERVICE:
                raise ValidationException(f'Cannot update in-progress endpoint "{resource.arn}".')
            updating = endpoint.updating(self._deployment(call))
            self._store.change(Kind.ENDPOINT, resource.name, updating.model_dump(mode="json"))
        self._hosting.roll_out(resource.name)
        return {"EndpointArn": resource.arn}

    def delete(self, call: Call) -> Reply:
        """Unlike AWS, also while SystemUpdating: here that may last, if a container does not come back."""
        with self._store.transaction():
            resource = resources.existing(self._store, call, Kind.ENDPOINT, call["EndpointName"])
            endpoint = Endpoint.of(resource)
            if endpoint.status in (Status.CREATING, Status.UPDATING, Status.DELETING):
                raise ValidationException(f'Cannot update in-progress endpoint "{resource.arn}".')
            deleting = endpoint.having(Status.DELETING)
            self._store.change(Kind.ENDPOINT, resource.name, deleting.model_dump(mode="json"))
        self._hosting.retire(resource.name)
        return {}

    def list(self, call: Call) -> Reply:
        status = call.get("StatusEquals")
        found = [r for r in self._store.all(Kind.ENDPOINT) if status in (None, r.document["status"])]
        endpoints, more = resources.page(call, found, descending=True)
        return {"Endpoints": [_summary(endpoint) for endpoint in endpoints], **more}

    def _deployment(self, call: Call) -> Deployment:
        """The configuration with every container resolved as of now. Raises ValidationException."""
        config = resources.existing(self._store, call, Kind.ENDPOINT_CONFIG, call["EndpointConfigName"])
        variants = tuple(self._variant(call, variant) for variant in config.document["ProductionVariants"])
        return Deployment(id=uuid.uuid4().hex, config_name=config.name, started_at_s=time.time(), variants=variants)

    def _variant(self, call: Call, variant: dict[str, Any]) -> Variant:
        model = resources.existing(self._store, call, Kind.MODEL, variant["ModelName"])
        container = container_of(self._store, call, model.document)
        return Variant(
            name=variant["VariantName"],
            image=container.image,
            model_data_url=container.model_data_url,
            environment=container.environment,
            weight=variant.get("InitialVariantWeight", 1.0),
            instance_count=variant.get("InitialInstanceCount", 1),
            startup_timeout_s=variant.get(STARTUP_TIMEOUT),
        )


def _summary(resource: Resource) -> Reply:
    return {
        "EndpointName": resource.name,
        "EndpointArn": resource.arn,
        "CreationTime": resource.created_at_s,
        "LastModifiedTime": resource.modified_at_s,
        "EndpointStatus": resource.document["status"],
    }


def _pending(endpoint: Endpoint) -> Reply:
    pending = endpoint.pending
    if pending is None or endpoint.status not in (Status.CREATING, Status.UPDATING):
        return {}
    return {
        "PendingDeploymentSummary": {
            "EndpointConfigName": pending.config_name,
            "ProductionVariants": _variants(pending),
            "StartTime": pending.started_at_s,
        }
    }


def _variants(deployment: Deployment) -> list[Reply]:
    return [
        {
            "VariantName": variant.name,
            "DeployedImages": [
                {
                    "SpecifiedImage": variant.image,
                    "ResolvedImage": variant.image,
                    "ResolutionTime": deployment.started_at_s,
                }
            ],
            "CurrentWeight": variant.weight,
            "DesiredWeight": variant.weight,
            "CurrentInstanceCount": variant.instance_count,
            "DesiredInstanceCount": variant.instance_count,
        }
        for variant in deployment.variants
    ]
