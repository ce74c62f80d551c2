"""The files of a processing job.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phenoloop.local_aws.sagemaker.containers import JobProgram
from phenoloop.local_aws.sagemaker.jobs import contract
from phenoloop.local_aws.sagemaker.jobs.contract import Instance, Kept, Terms
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.store import Kind, Resource

DEFAULT_LIMIT_S = 86_400


class Processing:
    kind = Kind.PROCESSING_JOB

    def __init__(self, files: S3Files) -> None:
        self._files = files

    def terms(self, request: dict[str, Any]) -> Terms:
        cluster = request["ProcessingResources"]["ClusterConfig"]
        limit_s = request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_LIMIT_S)
        return Terms(cluster["InstanceCount"], cluster["InstanceType"], limit_s)

    def fill(self, job: Resource, request: dict[str, Any], instance: Instance) -> None:
        """Inputs at their LocalPath, empty folders for outputs, and `config/`."""
        base_dir = instance.base_dir
        contract.write_json(base_dir / "config" / "processingjobconfig.json", {"ProcessingJobArn": job.arn, **request})
        contract.write_json(base_dir / "config" / "resourceconfig.json", instance.resource_config())
        for output in outputs(request):
            contract.local_path(output["LocalPath"], base_dir).mkdir(parents=True, exist_ok=True)
        (base_dir / "output").mkdir(exist_ok=True)
        for item in request.get("ProcessingInputs", []):
            source = item["S3Input"]
            folder = contract.local_path(source["LocalPath"], base_dir)
            self._files.fetch(source["S3Uri"], folder, shard=instance.shard(source))

    def kept(self, job: Resource, request: dict[str, Any]) -> list[Kept]:  # noqa: ARG002
        return []

    def program(self, job: Resource, request: dict[str, Any], instance: Instance) -> JobProgram:  # noqa: ARG002
        specification = request["AppSpecification"]
        return JobProgram(
            image=specification["ImageUri"],
            entrypoint=contract.localised(specification.get("ContainerEntrypoint", []), instance.base_dir),
            arguments=contract.localised(specification.get("ContainerArguments", []), instance.base_dir),
            environment=request.get("Environment", {}),
        )

    def message(self, base_dir: Path) -> str:
        return contract.read_text(base_dir / "output" / "message")

    def collect(
        self,
        job: Resource,  # noqa: ARG002
        request: dict[str, Any],
        base_dirs: Sequence[Path],
        *,
        failed: bool,
        stopped: bool,
    ) -> None:
        """S3UploadMode EndOfJob: nothing of a job that failed or was stopped. All instances' under one prefix."""
        if failed or stopped:
            return
        for output in outputs(request):
            for base_dir in base_dirs:
                self._files.upload_folder(contract.local_path(output["LocalPath"], base_dir), output["S3Uri"])


def outputs(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [output["S3Output"] for output in request.get("ProcessingOutputConfig", {}).get("Outputs", [])]
