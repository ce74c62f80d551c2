"""Processing jobs: created, described, stopped, listed."""

from typing import Any

from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.containers import Images
from phenoloop.local_aws.sagemaker.errors import ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.jobs import resources
from phenoloop.local_aws.sagemaker.jobs.records import Job
from phenoloop.local_aws.sagemaker.jobs.runner import JobRunner
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

KIND = Kind.PROCESSING_JOB


class ProcessingJobs:
    def __init__(self, store: Store, images: Images, runner: JobRunner) -> None:
        self._store = store
        self._images = images
        self._runner = runner

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateProcessingJob": self.create,
            "DescribeProcessingJob": self.describe,
            "StopProcessingJob": self.stop,
            "ListProcessingJobs": self.list,
        }

    def create(self, call: Call) -> Reply:
        """Accepted and without effect here: networks, roles, keys, experiments, volume sizes, instance types."""
        resources.check_image(self._images, call["AppSpecification"]["ImageUri"])
        resources.check_cluster(call["ProcessingResources"]["ClusterConfig"])
        for item in call.get("ProcessingInputs", []):
            _check_input(item)
        for output in call.get("ProcessingOutputConfig", {}).get("Outputs", []):
            _check_output(output)
        job = resources.create(self._store, self._runner, call, KIND, call["ProcessingJobName"])
        return {"ProcessingJobArn": job.arn}

    def describe(self, call: Call) -> Reply:
        resource, job = resources.existing(self._store, call, KIND, call["ProcessingJobName"])
        started = {"ProcessingStartTime": job.container_started_at_s} if job.container_started_at_s else {}
        return {**job.request, **_summary(resource, job), **started}

    def stop(self, call: Call) -> Reply:
        resources.stop(self._store, self._runner, call, KIND, call["ProcessingJobName"])
        return {}

    def list(self, call: Call) -> Reply:
        jobs, more = resources.listed(self._store, call, KIND)
        return {"ProcessingJobSummaries": [_summary(resource, job) for resource, job in jobs], **more}


def _check_input(item: dict[str, Any]) -> None:
    refuse_unsupported(item, "DatasetDefinition", "AppManaged")
    if "S3Input" not in item:
        raise ValidationException(f"Input {item['InputName']} has no S3Input.")
    resources.check_source(item["S3Input"], "S3InputMode")
    resources.check_local_path(item["S3Input"])


def _check_output(output: dict[str, Any]) -> None:
    refuse_unsupported(output, "FeatureStoreOutput", "AppManaged")
    if "S3Output" not in output:
        raise ValidationException(f"Output {output['OutputName']} has no S3Output.")
    if output["S3Output"]["S3UploadMode"] != "EndOfJob":
        raise ValidationException("The local SageMaker uploads outputs at the end of a job: S3UploadMode EndOfJob.")
    resources.check_url(output["S3Output"]["S3Uri"])
    resources.check_local_path(output["S3Output"])


def _summary(resource: Resource, job: Job) -> Reply:
    ended = {"ProcessingEndTime": job.ended_at_s} if job.ended_at_s else {}
    texts = {"FailureReason": job.failure_reason, "ExitMessage": job.exit_message}
    return {
        "ProcessingJobName": resource.name,
        "ProcessingJobArn": resource.arn,
        "ProcessingJobStatus": job.status.value,
        "CreationTime": resource.created_at_s,
        "LastModifiedTime": resource.modified_at_s,
        **ended,
        **{member: text for member, text in texts.items() if text},
    }
