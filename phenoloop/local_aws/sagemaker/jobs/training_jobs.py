"""Training jobs: created, described, stopped, listed."""

from typing import Any

from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.containers import Images
from phenoloop.local_aws.sagemaker.errors import ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.jobs import resources
from phenoloop.local_aws.sagemaker.jobs.measured import check_metrics
from phenoloop.local_aws.sagemaker.jobs.records import Job
from phenoloop.local_aws.sagemaker.jobs.runner import JobRunner
from phenoloop.local_aws.sagemaker.jobs.training import DEFAULT_LIMIT_S, model_artifacts_url
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

KIND = Kind.TRAINING_JOB
UNSUPPORTED = (
    *("DebugRuleConfigurations", "ProfilerRuleConfigurations", "ServerlessJobConfig", "MlflowConfig"),
    *("ModelPackageConfig", "SessionChainingConfig"),
)


class TrainingJobs:
    def __init__(self, store: Store, images: Images, runner: JobRunner) -> None:
        self._store = store
        self._images = images
        self._runner = runner

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "StopTrainingJob": self.stop,
            "ListTrainingJobs": self.list,
        }

    def create(self, call: Call) -> Reply:
        """Accepted and without effect here: networks, roles, keys, experiments, profilers, retries, instance types."""
        refuse_unsupported(call.parameters, *UNSUPPORTED)
        for member in ("AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "StoppingCondition"):
            if member not in call.parameters:
                raise ValidationException(f"Missing required parameter: {member}.")
        _check_algorithm(self._images, call["AlgorithmSpecification"])
        resources.check_cluster(call["ResourceConfig"])
        if call["OutputDataConfig"].get("CompressionType", "GZIP") != "GZIP":
            raise ValidationException("The local SageMaker packs models as tar.gz: CompressionType GZIP.")
        resources.check_url(call["OutputDataConfig"]["S3OutputPath"])
        for channel in call.get("InputDataConfig", []):
            _check_channel(channel)
        _check_kept(call)
        _check_spot(call)
        job = resources.create(self._store, self._runner, call, KIND, call["TrainingJobName"])
        return {"TrainingJobArn": job.arn}

    def describe(self, call: Call) -> Reply:
        resource, job = resources.existing(self._store, call, KIND, call["TrainingJobName"])
        reason = {"FailureReason": job.failure_reason} if job.failure_reason else {}
        return {
            **job.request,
            **_summary(resource, job),
            **_times(job),
            **reason,
            **_metrics(job),
            "ModelArtifacts": {"S3ModelArtifacts": model_artifacts_url(resource.name, job.request)},
            "SecondaryStatusTransitions": [
                {
                    "Status": transition.phase.value,
                    "StartTime": transition.started_at_s,
                    **({"EndTime": transition.ended_at_s} if transition.ended_at_s else {}),
                }
                for transition in job.transitions
            ],
        }

    def stop(self, call: Call) -> Reply:
        resources.stop(self._store, self._runner, call, KIND, call["TrainingJobName"])
        return {}

    def list(self, call: Call) -> Reply:
        refuse_unsupported(call.parameters, "WarmPoolStatusEquals", "TrainingPlanArnEquals")
        jobs, more = resources.listed(self._store, call, KIND)
        return {"TrainingJobSummaries": [_summary(resource, job) for resource, job in jobs], **more}


def _check_algorithm(images: Images, algorithm: dict[str, Any]) -> None:
    refuse_unsupported(algorithm, "AlgorithmName", "TrainingImageConfig")
    if "TrainingImage" not in algorithm:
        raise ValidationException("TrainingImage is required.")
    resources.check_image(images, algorithm["TrainingImage"])
    resources.check_source(algorithm, "TrainingInputMode")
    check_metrics(algorithm)


def _check_kept(call: Call) -> None:
    for member, url in (("CheckpointConfig", "S3Uri"), ("TensorBoardOutputConfig", "S3OutputPath")):
        if place := call.get(member):
            resources.check_url(place[url])
            resources.check_local_path(place)


def _check_spot(call: Call) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html"""
    stopping, is_spot = call["StoppingCondition"], call.get("EnableManagedSpotTraining", False)
    wait_s = stopping.get("MaxWaitTimeInSeconds")
    if is_spot and wait_s is None:
        raise ValidationException("MaxWaitTimeInSeconds is required if EnableManagedSpotTraining is true.")
    if not is_spot and wait_s is not None:
        raise ValidationException("MaxWaitTimeInSeconds needs EnableManagedSpotTraining.")
    if wait_s is not None and wait_s < stopping.get("MaxRuntimeInSeconds", DEFAULT_LIMIT_S):
        raise ValidationException("MaxWaitTimeInSeconds must be equal to or greater than MaxRuntimeInSeconds.")


def _check_channel(channel: dict[str, Any]) -> None:
    refuse_unsupported(channel, "ShuffleConfig")
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise ValidationException(f"Channel {channel['ChannelName']} has no S3DataSource.")
    resources.check_source(channel, "InputMode")
    resources.check_source(source, "InputMode")


def _times(job: Job) -> Reply:
    started_at_s, ended_at_s = job.container_started_at_s, job.ended_at_s
    if started_at_s is None:
        return {}
    ran_s = max(1, round(job.ran_s))
    spent = {"TrainingTimeInSeconds": ran_s, "BillableTimeInSeconds": ran_s} if ended_at_s else {}
    return {"TrainingStartTime": started_at_s, **spent}


def _metrics(job: Job) -> Reply:
    final = [{"MetricName": name, "Value": value, "Timestamp": job.ended_at_s} for name, value in job.metrics.items()]
    return {"FinalMetricDataList": final} if final else {}


def _summary(resource: Resource, job: Job) -> Reply:
    ended = {"TrainingEndTime": job.ended_at_s} if job.ended_at_s else {}
    return {
        "TrainingJobName": resource.name,
        "TrainingJobArn": resource.arn,
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.phase.value,
        "CreationTime": resource.created_at_s,
        "LastModifiedTime": resource.modified_at_s,
        **ended,
    }
