"""What both kinds of jobs share as resources: made once, found, stopped, listed."""

from typing import Any

from phenoloop.local_aws.sagemaker import resources
from phenoloop.local_aws.sagemaker.calls import Call
from phenoloop.local_aws.sagemaker.containers import Images, UnknownImage
from phenoloop.local_aws.sagemaker.errors import ResourceInUse, ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.jobs.contract import CONTAINER_BASE, is_under_base
from phenoloop.local_aws.sagemaker.jobs.records import Job, JobStatus
from phenoloop.local_aws.sagemaker.jobs.runner import JobRunner
from phenoloop.local_aws.sagemaker.s3_files import S3Unreadable, bucket_and_key
from phenoloop.local_aws.sagemaker.store import AlreadyThere, Kind, Resource, Store

MAX_INSTANCES = 16
"""Each a process of this machine."""
WORDS = {Kind.PROCESSING_JOB: "processing job", Kind.TRAINING_JOB: "training job"}


def create(store: Store, runner: JobRunner, call: Call, kind: Kind, name: str) -> Resource:
    """Raises ResourceInUse: the name of a job is never free again."""
    request = {member: value for member, value in call.parameters.items() if member != "Tags"}
    arn = call.arn(kind, name)
    with store.transaction():
        try:
            job = store.add(kind, name, arn, Job.created(request).model_dump(mode="json"))
        except AlreadyThere as error:
            raise ResourceInUse(
                f"Job name must be unique within an AWS account and region, and a {WORDS[kind]} with this name "
                f"already exists ({arn})"
            ) from error
        store.tag(arn, call.get("Tags", []))
    runner.begin(job)
    return job


def existing(store: Store, call: Call, kind: Kind, name: str) -> tuple[Resource, Job]:
    """Raises ValidationException, as SageMaker does although its model speaks of ResourceNotFound."""
    resource = store.find(kind, name)
    if resource is None:
        raise ValidationException(f'Could not find {WORDS[kind]} "{call.arn(kind, name)}".')
    return resource, Job.of(resource)


def stop(store: Store, runner: JobRunner, call: Call, kind: Kind, name: str) -> None:
    with store.transaction():
        resource, job = existing(store, call, kind, name)
        if job.status != JobStatus.IN_PROGRESS:
            raise ValidationException(
                f"The request was rejected because the {WORDS[kind]} is in status {job.status.value}."
            )
        store.change(kind, resource.name, job.stopping().model_dump(mode="json"))
    runner.stop_job(resource)


def listed(store: Store, call: Call, kind: Kind) -> tuple[list[tuple[Resource, Job]], dict[str, str]]:
    status = call.get("StatusEquals")
    found = [r for r in store.all(kind) if status in (None, r.document["status"])]
    shown, more = resources.page(call, found, descending=True)
    return [(resource, Job.of(resource)) for resource in shown], more


def check_image(images: Images, image: str) -> None:
    """Raises ValidationException if no environment is mapped to it."""
    try:
        images.command(image)
    except UnknownImage as error:
        raise ValidationException(str(error)) from error


def check_source(source: dict[str, Any], mode_member: str) -> None:
    """Raises ValidationException unless it is plain objects under a prefix, as files."""
    if source.get("S3DataType", "S3Prefix") != "S3Prefix":
        raise ValidationException("The local SageMaker reads inputs of S3DataType S3Prefix only.")
    if source.get(mode_member, "File") == "Pipe":
        raise ValidationException("The local SageMaker gives jobs their inputs as files, not as pipes.")
    for member in ("S3CompressionType", "CompressionType"):
        if source.get(member, "None") != "None":
            raise ValidationException(f"The local SageMaker does not emulate {member}. Leave it out.")
    if "S3Uri" in source:
        check_url(source["S3Uri"])


def check_url(url: str) -> None:
    try:
        bucket_and_key(url)
    except S3Unreadable as error:
        raise ValidationException(str(error)) from error


def check_local_path(place: dict[str, Any]) -> None:
    """Raises ValidationException unless its LocalPath, if it has one, is where containers have their files."""
    if not is_under_base(place.get("LocalPath", CONTAINER_BASE)):
        raise ValidationException(f"LocalPath must be under {CONTAINER_BASE}, unlike {place['LocalPath']!r}.")


def check_cluster(cluster: dict[str, Any]) -> None:
    refuse_unsupported(cluster, "InstanceGroups", "InstancePreferences", "TrainingPlanArn")
    if "InstanceType" not in cluster:
        raise ValidationException("InstanceType is required.")
    if not 1 <= cluster.get("InstanceCount", 1) <= MAX_INSTANCES:
        raise ValidationException(f"The local SageMaker runs a job on 1 to {MAX_INSTANCES} instances.")
