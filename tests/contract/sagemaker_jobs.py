"""Requests for jobs, and what became of them."""

import io
import json
import tarfile
from collections.abc import Sequence
from typing import Any

from tests.contract.sagemaker_server import BUCKET, JOB_IMAGE, ROLE, SageMakerServer, unique, wait_until

ENTRYPOINT = ["python3", "-m", "tests.contract.sagemaker_job"]
ENDED = {"Completed", "Failed", "Stopped"}


def processing(
    *,
    inputs: dict[str, str] | None = None,
    to: str = "",
    limit_s: int = 60,
    words: list[str] | None = None,
    instances: int = 1,
    sharded: Sequence[str] = (),
    **env: str,
) -> dict[str, Any]:
    """Arguments of CreateProcessingJob, all but the name. Its output `report` goes to `to`."""
    output = {
        "S3Uri": to or f"s3://{BUCKET}/{unique('report')}",
        "LocalPath": "/opt/ml/processing/output/report",
        "S3UploadMode": "EndOfJob",
    }
    sources = {
        name: {
            "S3Uri": url,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            **({"S3DataDistributionType": "ShardedByS3Key"} if name in sharded else {}),
        }
        for name, url in (inputs or {}).items()
    }
    return {
        "AppSpecification": {
            "ImageUri": JOB_IMAGE,
            "ContainerEntrypoint": ENTRYPOINT,
            "ContainerArguments": words or ["--side-px", "64"],
        },
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": instances, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
        },
        "ProcessingInputs": [{"InputName": name, "S3Input": source} for name, source in sources.items()],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "report", "S3Output": output}]},
        "StoppingCondition": {"MaxRuntimeInSeconds": limit_s},
        "Environment": env,
        "RoleArn": ROLE,
    }


def training(
    *, channels: dict[str, str] | None = None, limit_s: Any = 60, instances: int = 1, **env: str
) -> dict[str, Any]:
    """Arguments of CreateTrainingJob, all but the name."""
    described = [
        {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": url}}}
        for name, url in (channels or {}).items()
    ]
    return {
        **({"InputDataConfig": described} if described else {}),
        "AlgorithmSpecification": {"TrainingImage": JOB_IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {"stage": "detector", "epochs": "2"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/artifacts/"},
        "ResourceConfig": {"InstanceCount": instances, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": limit_s},
        "Environment": env,
        "RoleArn": ROLE,
    }


def spot(checkpoints: str, *, limit_s: int = 60, wait_s: int = 120) -> dict[str, Any]:
    """What makes a training one on spot instances."""
    return {
        "CheckpointConfig": {"S3Uri": checkpoints},
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": limit_s, "MaxWaitTimeInSeconds": wait_s},
    }


def process(server: SageMakerServer, request: dict[str, Any], *, wait: bool = True) -> str:
    name = unique("process")
    server.control.create_processing_job(ProcessingJobName=name, **request)
    if wait:
        wait_until(lambda: processed(server, name)["ProcessingJobStatus"] in ENDED)
    return name


def train(server: SageMakerServer, request: dict[str, Any], *, wait: bool = True) -> str:
    name = unique("train")
    server.control.create_training_job(TrainingJobName=name, **request)
    if wait:
        wait_until(lambda: trained(server, name)["TrainingJobStatus"] in ENDED)
    return name


def processed(server: SageMakerServer, name: str) -> dict[str, Any]:
    return dict(server.control.describe_processing_job(ProcessingJobName=name))


def trained(server: SageMakerServer, name: str) -> dict[str, Any]:
    return dict(server.control.describe_training_job(TrainingJobName=name))


def put(server: SageMakerServer, **texts: str) -> str:
    """Objects under a new prefix; their URLs begin with what comes back. `__` stands for `/`, `_` for `.`."""
    prefix = unique("input")
    for name, text in texts.items():
        key = f"{prefix}/{name.replace('__', '/').replace('_', '.')}"
        server.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    return f"s3://{BUCKET}/{prefix}"


def keys(server: SageMakerServer, url: str) -> list[str]:
    """Of the objects below it, without the prefix."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    found = server.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return sorted(item["Key"].removeprefix(prefix).lstrip("/") for item in found)


def read(server: SageMakerServer, url: str) -> bytes:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bytes(server.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def report(server: SageMakerServer, job: str) -> dict[str, Any]:
    """What a processing job saw."""
    (output,) = processed(server, job)["ProcessingOutputConfig"]["Outputs"]
    return dict(json.loads(read(server, f"{output['S3Output']['S3Uri']}/seen.json")))


def model(server: SageMakerServer, job: str) -> dict[str, str]:
    """The files of a training job's model."""
    return unpacked(read(server, trained(server, job)["ModelArtifacts"]["S3ModelArtifacts"]))


def unpacked(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
        return {name: file.read().decode() for name, file in files.items() if file}
