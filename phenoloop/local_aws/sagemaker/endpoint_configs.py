"""Endpoint configurations: which models an endpoint runs, and how traffic is shared."""

from phenoloop.local_aws.sagemaker import resources
from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.errors import ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

UNSUPPORTED = ("DataCaptureConfig", "AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants")
UNSUPPORTED_IN_VARIANT = ("ManagedInstanceScaling", "InstancePools", "CoreDumpConfig")
DESCRIBED = ("ProductionVariants", "KmsKeyId", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation")


class EndpointConfigs:
    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateEndpointConfig": self.create,
            "DescribeEndpointConfig": self.describe,
            "DeleteEndpointConfig": self.delete,
            "ListEndpointConfigs": self.list,
        }

    def create(self, call: Call) -> Reply:
        refuse_unsupported(call.parameters, *UNSUPPORTED)
        variants = call["ProductionVariants"]
        if len({variant["VariantName"] for variant in variants}) < len(variants):
            raise ValidationException("The variant names of an endpoint configuration must be unique.")
        for variant in variants:
            refuse_unsupported(variant, *UNSUPPORTED_IN_VARIANT)
            if "ModelName" not in variant:
                raise ValidationException("The local SageMaker does not emulate inference components: set ModelName.")
            resources.existing(self._store, call, Kind.MODEL, variant["ModelName"])
        name, document = call["EndpointConfigName"], {m: call[m] for m in DESCRIBED if m in call.parameters}
        config = resources.create(self._store, call, Kind.ENDPOINT_CONFIG, name, document)
        return {"EndpointConfigArn": config.arn}

    def describe(self, call: Call) -> Reply:
        config = resources.existing(self._store, call, Kind.ENDPOINT_CONFIG, call["EndpointConfigName"])
        return {**_summary(config), **config.document}

    def delete(self, call: Call) -> Reply:
        with self._store.transaction():
            name = call["EndpointConfigName"]
            self._store.remove(resources.existing(self._store, call, Kind.ENDPOINT_CONFIG, name))
        return {}

    def list(self, call: Call) -> Reply:
        configs, more = resources.page(call, self._store.all(Kind.ENDPOINT_CONFIG), descending=True)
        return {"EndpointConfigs": [_summary(config) for config in configs], **more}


def _summary(config: Resource) -> Reply:
    return {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created_at_s,
    }
