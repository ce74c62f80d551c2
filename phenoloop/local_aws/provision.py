"""What an operator makes once on real AWS, made on the embedded services: bucket, queues, notification.

Done on every start, because the embedded services forget queues and notifications when they are killed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.connect.notification import queue_configurations
from phenoloop.errors import LocalStackError
from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.settings import StorageSettings
from sync.events import EXECUTION_CHANGED, PACKAGE_CHANGED

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

MAX_RECEIVES = 5
EVENT_SOURCE = "phenoloop.sagemaker"
"""`aws.sagemaker` on AWS; the embedded EventBridge takes no events under that name."""
MISSING = {"404", "NoSuchBucket"}


@dataclass(frozen=True, slots=True)
class Resources:
    bucket: str
    queue_url: str


def provision(
    s3: S3Client, sqs: SQSClient, events: EventBridgeClient, *, storage: StorageSettings, queue: str
) -> Resources:
    """Make what is missing; what is there stays. Raises LocalStackError."""
    bucket = storage.bucket
    try:
        _ensure_bucket(s3, bucket)
        dead_letter_url = sqs.create_queue(QueueName=f"{queue}-dead")["QueueUrl"]
        dead_letter = {"deadLetterTargetArn": _arn(sqs, dead_letter_url), "maxReceiveCount": MAX_RECEIVES}
        queue_url = sqs.create_queue(QueueName=queue)["QueueUrl"]
        policy = _queue_policy(_arn(sqs, queue_url), bucket)
        sqs.set_queue_attributes(
            QueueUrl=queue_url, Attributes={"RedrivePolicy": json.dumps(dead_letter), "Policy": policy}
        )
        _send_registry_events(events, queue, _arn(sqs, queue_url))
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={"QueueConfigurations": queue_configurations(_arn(sqs, queue_url), storage)},  # type: ignore[typeddict-item]
        )
    except (ClientError, BotoCoreError) as error:
        raise LocalStackError(
            "The embedded AWS services refused.",
            cure="See ministack.log in the data folder's logs.",
            reason=str(error),
            bucket=bucket,
        ) from error
    return Resources(bucket=bucket, queue_url=queue_url)


def _ensure_bucket(s3: S3Client, bucket: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in MISSING:
            raise
        s3.create_bucket(Bucket=bucket)


def _send_registry_events(events: EventBridgeClient, rule: str, queue_arn: str) -> None:
    """What happens to packages and runs goes to the same queue as what happens to annotations."""
    pattern = {"source": [EVENT_SOURCE], "detail-type": [PACKAGE_CHANGED, EXECUTION_CHANGED]}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern), State="ENABLED")
    events.put_targets(Rule=rule, Targets=[{"Id": "sync", "Arn": queue_arn}])


def _queue_policy(queue_arn: str, bucket: str) -> str:
    """Who may send, as on real AWS: S3 for our bucket, EventBridge for our rule."""
    _, _, _, region, account, queue = queue_arn.split(":")
    template = Template((REPOSITORY / "infra" / "iam" / "queue.json").read_text())
    return template.substitute(region=region, account=account, queue=queue, bucket=bucket)


def _arn(sqs: SQSClient, queue_url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
