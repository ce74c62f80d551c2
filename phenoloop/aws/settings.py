"""The settings that follow from a stack: lines of the `.env` that docker-compose reads."""

from collections.abc import Mapping
from pathlib import Path

SETTINGS = {
    "Bucket": "PHENOLOOP_STORAGE__BUCKET",
    "QueueUrl": "PHENOLOOP_QUEUE_URL",
    "RoleArn": "PHENOLOOP_TRAINING__ROLE_ARN",
    "TrainingImage": "PHENOLOOP_TRAINING__TRAINING_IMAGE",
    "ServingImage": "PHENOLOOP_TRAINING__SERVING_IMAGE",
    "EndpointInstanceType": "PHENOLOOP_TRAINING__ENDPOINT_INSTANCE_TYPE",
    "EndpointInstancesMax": "PHENOLOOP_TRAINING__ENDPOINT_INSTANCES_MAX",
    "ServerlessMemoryMb": "PHENOLOOP_TRAINING__SERVERLESS_MEMORY_MB",
    "SubnetIds": "PHENOLOOP_TRAINING__SUBNET_IDS",
    "SecurityGroupIds": "PHENOLOOP_TRAINING__SECURITY_GROUP_IDS",
}
"""By the stack's outputs, of which it may lack some."""
OFF = {"ServerlessMemoryMb": "0"}
"""Values that stand for no setting."""


def settings_of(outputs: Mapping[str, str], region: str) -> dict[str, str]:
    """By the variable's name."""
    given = {
        variable: outputs[name]
        for name, variable in SETTINGS.items()
        if name in outputs and outputs[name] != OFF.get(name)
    }
    return {**given, "AWS_DEFAULT_REGION": region}


def write_settings(file: Path, settings: Mapping[str, str]) -> None:
    """Into an env file: our lines are replaced, those of others stay as they are."""
    lines = file.read_text().splitlines() if file.exists() else []
    ours = {*SETTINGS.values(), *settings}
    kept = [line for line in lines if line.partition("=")[0].strip() not in ours]
    file.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in settings.items())]) + "\n")
