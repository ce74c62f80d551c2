"""The bucket's notification: S3 tells our queue of every change under the annotations' prefix."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.chain.s3_errors import s3_errors
from phenoloop.connect.step import Step, done, left, right
from phenoloop.errors import BucketMissing, EventsUnavailable
from phenoloop.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

ID = "phenoloop-annotations"
EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
_KINDS = ("TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations", "EventBridgeConfiguration")


def notify_queue(s3: S3Client, sqs: SQSClient, settings: Settings, *, apply: bool) -> Step:
    """See to it that changed annotations reach the queue; without `apply` only say what is missing.

    Raises EventsUnavailable, BucketMissing, StorageUnavailable.
    """
    bucket, prefix = settings.storage.bucket, settings.storage.annotations_prefix
    try:
        attributes = sqs.get_queue_attributes(QueueUrl=settings.queue_url, AttributeNames=["QueueArn"])
    except (ClientError, BotoCoreError) as error:
        cure = "Check PHENOLOOP_QUEUE_URL, and that our role may sqs:GetQueueAttributes."
        raise EventsUnavailable("The event queue does not answer.", cure=cure) from error
    queue_arn = attributes["Attributes"]["QueueArn"]
    with s3_errors(BucketMissing, bucket=bucket):
        found = configured(s3, bucket)
        if not missing_events(found, queue_arn, prefix):
            return right(f"bucket notification: {prefix} to {queue_arn}")
        if not apply:
            wanted = json.dumps(queue_configuration(queue_arn, prefix))
            cure = f"Set it with --apply-notification, or add to the bucket's QueueConfigurations: {wanted}"
            return left(f"bucket notification: changes under {prefix} do not all reach the queue", cure)
        return _apply(s3, bucket, merged(found, queue_arn, prefix), queue_arn)


def queue_configuration(queue_arn: str, annotations_prefix: str) -> dict[str, Any]:
    """What the bucket's QueueConfigurations must hold."""
    return {
        "Id": ID,
        "QueueArn": queue_arn,
        "Events": list(EVENTS),
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": annotations_prefix}]}},
    }


def configured(s3: S3Client, bucket: str) -> dict[str, Any]:
    """What the bucket tells whom, now."""
    reply: Mapping[str, Any] = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {kind: reply[kind] for kind in _KINDS if kind in reply}


def missing_events(found: Mapping[str, Any], queue_arn: str, annotations_prefix: str) -> list[str]:
    """Which of `EVENTS` do not reach the queue for every key under the prefix."""
    reaching = {
        event
        for configuration in found.get("QueueConfigurations", [])
        if configuration["QueueArn"] == queue_arn and _covers(configuration, annotations_prefix)
        for event in configuration["Events"]
    }
    return [event for event in EVENTS if event not in reaching]


def merged(found: Mapping[str, Any], queue_arn: str, annotations_prefix: str) -> dict[str, Any]:
    """Others' configurations as they are; ours, and what it would overlap with on our queue, replaced."""
    wanted = queue_configuration(queue_arn, annotations_prefix)
    others = [c for c in found.get("QueueConfigurations", []) if not _replaced(c, queue_arn, annotations_prefix)]
    return {**found, "QueueConfigurations": [*others, wanted]}


def queue_policy_statement(queue_arn: str, bucket: str) -> str:
    """What the queue's policy must allow before S3 takes the configuration."""
    return json.dumps(
        {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
        }
    )


def _apply(s3: S3Client, bucket: str, wanted: Mapping[str, Any], queue_arn: str) -> Step:
    try:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)  # type: ignore[arg-type]
    except ClientError as error:
        told = error.response.get("Error", {})
        if told.get("Code") != "InvalidArgument":  # S3's word for a queue that it may not send to, and for overlaps
            raise
        policy = queue_policy_statement(queue_arn, bucket)
        cure = f"Does another configuration overlap? Else allow S3 to send, in the queue's policy: {policy}"
        return left(f"bucket notification: S3 refuses: {told.get('Message')}", cure)
    return done(f"bucket notification set: to {queue_arn}")


def _replaced(configuration: Mapping[str, Any], queue_arn: str, annotations_prefix: str) -> bool:
    ours = configuration["QueueArn"] == queue_arn and _prefix(configuration).startswith(annotations_prefix)
    return configuration.get("Id") == ID or ours


def _covers(configuration: Mapping[str, Any], annotations_prefix: str) -> bool:
    no_suffix = not any(rule["Name"].lower() == "suffix" and rule["Value"] for rule in _rules(configuration))
    return no_suffix and annotations_prefix.startswith(_prefix(configuration))


def _prefix(configuration: Mapping[str, Any]) -> str:
    values = [str(rule["Value"]) for rule in _rules(configuration) if rule["Name"].lower() == "prefix"]
    return values[0] if values else ""


def _rules(configuration: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    rules: Sequence[Mapping[str, Any]] = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return rules
