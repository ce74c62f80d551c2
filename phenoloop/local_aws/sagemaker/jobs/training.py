"""The files of a training job.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

from phenoloop.local_aws.sagemaker.containers import JobProgram
from phenoloop.local_aws.sagemaker.jobs import contract
from phenoloop.local_aws.sagemaker.jobs.contract import Instance, Kept, Terms
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.store import Kind, Resource

DEFAULT_LIMIT_S = 86_400
CHECKPOINTS, TENSORBOARD = "/opt/ml/checkpoints", "/opt/ml/output/tensorboard"
"""Where SageMaker expects them unless the request's LocalPath says otherwise."""


class Training:
    kind = Kind.TRAINING_JOB

    def __init__(self, files: S3Files) -> None:
        self._files = files

    def terms(self, request: dict[str, Any]) -> Terms:
        cluster, stopping = request["ResourceConfig"], request["StoppingCondition"]
        return Terms(
            cluster.get("InstanceCount", 1),
            cluster["InstanceType"],
            limit_s=stopping.get("MaxRuntimeInSeconds", DEFAULT_LIMIT_S),
            wait_limit_s=stopping.get("MaxWaitTimeInSeconds", inf),
            is_spot=request.get("EnableManagedSpotTraining", False),
        )

    def fill(self, job: Resource, request: dict[str, Any], instance: Instance) -> None:  # noqa: ARG002
        """`input/config/*.json`, `input/data/CHANNEL`, and empty folders for the output."""
        base_dir, channels = instance.base_dir, request.get("InputDataConfig", [])
        config = base_dir / "input" / "config"
        contract.write_json(config / "hyperparameters.json", request.get("HyperParameters", {}))
        contract.write_json(config / "inputdataconfig.json", {c["ChannelName"]: _described(c) for c in channels})
        contract.write_json(config / "resourceconfig.json", instance.resource_config())
        for folder in ("input/data", "model", "output/data"):
            (base_dir / folder).mkdir(parents=True, exist_ok=True)
        for channel in channels:
            source, folder = channel["DataSource"]["S3DataSource"], base_dir / "input" / "data" / channel["ChannelName"]
            self._files.fetch(source["S3Uri"], folder, shard=instance.shard(source))

    def kept(self, job: Resource, request: dict[str, Any]) -> list[Kept]:
        """TensorBoard's events lie where SageMaker's SDK looks for them."""
        found = []
        if checkpoints := request.get("CheckpointConfig"):
            found.append(Kept(checkpoints.get("LocalPath", CHECKPOINTS), checkpoints["S3Uri"], comes_back=True))
        if tensorboard := request.get("TensorBoardOutputConfig"):
            url = f"{tensorboard['S3OutputPath'].rstrip('/')}/{job.name}/tensorboard-output"
            found.append(Kept(tensorboard.get("LocalPath", TENSORBOARD), url, comes_back=False))
        return found

    def program(self, job: Resource, request: dict[str, Any], instance: Instance) -> JobProgram:
        """The image's own entry point with `train`, unless the request names another.

        The names of the instances resolve nowhere here, so several are told where to meet in torch's own variables.
        """
        together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(instance.port)} if instance.count > 1 else {}
        algorithm = request["AlgorithmSpecification"]
        entrypoint = algorithm.get("ContainerEntrypoint", [])
        arguments = algorithm.get("ContainerArguments", [] if entrypoint else ["train"])
        return JobProgram(
            image=algorithm["TrainingImage"],
            entrypoint=contract.localised(entrypoint, instance.base_dir),
            arguments=contract.localised(arguments, instance.base_dir),
            environment={
                "TRAINING_JOB_NAME": job.name,
                "TRAINING_JOB_ARN": job.arn,
                **together,
                **request.get("Environment", {}),
            },
        )

    def message(self, base_dir: Path) -> str:
        return contract.read_text(base_dir / "output" / "failure")

    def collect(
        self,
        job: Resource,
        request: dict[str, Any],
        base_dirs: Sequence[Path],
        *,
        failed: bool,
        stopped: bool,  # noqa: ARG002
    ) -> None:
        """The model of a job that did not fail (a stopped one had time to save it); other output in any case."""
        if not failed:
            self._files.upload_archive([base / "model" for base in base_dirs], model_artifacts_url(job.name, request))
        data = [base / "output" / "data" for base in base_dirs]
        if any(any(folder.iterdir()) for folder in data):
            self._files.upload_archive(data, _output_url(job.name, request, "output.tar.gz"))


def model_artifacts_url(job: str, request: dict[str, Any]) -> str:
    return _output_url(job, request, "model.tar.gz")


def _output_url(job: str, request: dict[str, Any], file: str) -> str:
    return f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job}/output/{file}"


def _described(channel: dict[str, Any]) -> dict[str, Any]:
    return {
        "ContentType": channel.get("ContentType", ""),
        "TrainingInputMode": "File",
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": "None",
    }
