"""The files of a training job.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

from pathlib import Path
from typing import Any

from phenoloop.local_aws.sagemaker.containers import JobProgram
from phenoloop.local_aws.sagemaker.jobs import contract
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.store import Kind, Resource

DEFAULT_LIMIT_S = 86_400


class Training:
    kind = Kind.TRAINING_JOB

    def __init__(self, files: S3Files) -> None:
        self._files = files

    def limit_s(self, request: dict[str, Any]) -> float:
        return float(request["StoppingCondition"].get("MaxRuntimeInSeconds", DEFAULT_LIMIT_S))

    def fill(self, job: Resource, request: dict[str, Any], base_dir: Path) -> None:  # noqa: ARG002
        """`input/config/*.json`, `input/data/CHANNEL`, and empty folders for the output."""
        config, channels = base_dir / "input" / "config", request.get("InputDataConfig", [])
        contract.write_json(config / "hyperparameters.json", request.get("HyperParameters", {}))
        contract.write_json(config / "inputdataconfig.json", {c["ChannelName"]: _described(c) for c in channels})
        instance_type = request["ResourceConfig"]["InstanceType"]
        contract.write_json(config / "resourceconfig.json", contract.resource_config(instance_type))
        for folder in ("input/data", "model", "output/data"):
            (base_dir / folder).mkdir(parents=True, exist_ok=True)
        for channel in channels:
            url = channel["DataSource"]["S3DataSource"]["S3Uri"]
            self._files.fetch(url, base_dir / "input" / "data" / channel["ChannelName"])

    def program(self, job: Resource, request: dict[str, Any], base_dir: Path) -> JobProgram:
        """The image's own entry point with `train`, unless the request names another."""
        algorithm = request["AlgorithmSpecification"]
        entrypoint = algorithm.get("ContainerEntrypoint", [])
        arguments = algorithm.get("ContainerArguments", [] if entrypoint else ["train"])
        return JobProgram(
            image=algorithm["TrainingImage"],
            entrypoint=contract.localised(entrypoint, base_dir),
            arguments=contract.localised(arguments, base_dir),
            environment={
                "TRAINING_JOB_NAME": job.name,
                "TRAINING_JOB_ARN": job.arn,
                **request.get("Environment", {}),
            },
        )

    def message(self, base_dir: Path) -> str:
        return contract.read_text(base_dir / "output" / "failure")

    def collect(self, job: Resource, request: dict[str, Any], base_dir: Path, *, failed: bool, stopped: bool) -> None:  # noqa: ARG002
        """The model of a job that did not fail (a stopped one had time to save it); other output in any case."""
        if not failed:
            self._files.upload_archive(base_dir / "model", model_artifacts_url(job.name, request))
        data = base_dir / "output" / "data"
        if any(data.iterdir()):
            self._files.upload_archive(data, _output_url(job.name, request, "output.tar.gz"))


def model_artifacts_url(job: str, request: dict[str, Any]) -> str:
    return _output_url(job, request, "model.tar.gz")


def _output_url(job: str, request: dict[str, Any], file: str) -> str:
    return f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job}/output/{file}"


def _described(channel: dict[str, Any]) -> dict[str, Any]:
    return {
        "ContentType": channel.get("ContentType", ""),
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
