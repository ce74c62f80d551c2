"""What CloudFormation is given: the template, and the Lambdas' code in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.aws.packages import PACKAGES, Package
from phenoloop.aws.template import stack_template
from phenoloop.errors import DeploymentFailed

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

FIRST_REGION = "us-east-1"
"""The one that S3 wants not to be named."""
_ABSENT = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}


def template_with_code(bucket: str, packages: Mapping[str, Package] = PACKAGES) -> dict[str, Any]:
    """The template, with the code where `upload_code` puts it. Raises DeploymentFailed."""
    addresses = {folder: f"s3://{bucket}/{package.key}" for folder, package in packages.items()}
    template: dict[str, Any] = _with_addresses(stack_template(), addresses)
    return template


def upload_code(s3: S3Client, bucket: str, region: str, packages: Mapping[str, Package] = PACKAGES) -> None:
    """What is not there yet, the bucket too. Raises DeploymentFailed."""
    try:
        if not _is_there(s3.head_bucket, Bucket=bucket):
            place = {} if region == FIRST_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=bucket, **place)  # type: ignore[arg-type]  # any region's name
        for package in packages.values():
            if not _is_there(s3.head_object, Bucket=bucket, Key=package.key):
                s3.put_object(Bucket=bucket, Key=package.key, Body=package.build())
    except (ClientError, BotoCoreError) as error:
        raise DeploymentFailed("The Lambdas' code can't be stored.", cure=str(error), bucket=bucket) from error


def _with_addresses(part: Any, addresses: Mapping[str, str]) -> Any:
    match part:
        case dict():
            return {name: _with_addresses(value, addresses) for name, value in part.items()}
        case list():
            return [_with_addresses(value, addresses) for value in part]
        case str():
            return addresses.get(part, part)
    return part


def _is_there(look: Callable[..., object], **what: str) -> bool:
    try:
        look(**what)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _ABSENT:
            return False
        raise
    return True
