"""The bucket's notification: S3 tells our queue of every annotation that changed, and of every photo that came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.chain.s3_errors import s3_errors
from phenoloop.connect.rules import Pattern, object_events, rule_patterns
from phenoloop.connect.step import Step, done, left, right
from phenoloop.errors import BucketMissing, EventsUnavailable
from phenoloop.settings import Settings, StorageSettings

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

CREATED, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"
BY_RULES = "EventBridgeConfiguration"
_ID = "phenoloop-"
_KINDS = ("TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations", BY_RULES)


def notify_queue(
    s3: S3Client, sqs: SQSClient, settings: Settings, *, apply: bool, events: EventBridgeClient | None = None
) -> Step:
    """See to it that annotations and photos reach the queue; without `apply` only say what is missing.

    With `events`, what EventBridge's rules bring counts too.

    Raises EventsUnavailable, BucketMissing, StorageUnavailable.
    """
    storage = settings.storage
    try:
        attributes = sqs.get_queue_attributes(QueueUrl=settings.queue_url, AttributeNames=["QueueArn"])
    except (ClientError, BotoCoreError) as error:
        cure = "Check PHENOLOOP_QUEUE_URL, and that our role may sqs:GetQueueAttributes."
        raise EventsUnavailable("The event queue does not answer.", cure=cure) from error
    queue_arn = attributes["Attributes"]["QueueArn"]
    with s3_errors(BucketMissing, bucket=storage.bucket):
        found = configured(s3, storage.bucket)
        rules = rule_patterns(events, queue_arn) if events and BY_RULES in found else []
        missing = missing_events(found, queue_arn, storage, rules)
        if not missing:
            return right(f"bucket notification: {' and '.join(wanted_events(storage))} to {queue_arn}")
        if not apply:
            wanted = json.dumps(queue_configurations(queue_arn, storage))
            cure = f"Set it with --apply-notification, or add to the bucket's QueueConfigurations: {wanted}"
            return left(f"bucket notification: {', '.join(missing)} do not all reach the queue", cure)
        return _apply(s3, storage.bucket, merged(found, queue_arn, storage), queue_arn)


def wanted_events(storage: StorageSettings) -> dict[str, tuple[str, ...]]:
    """What the queue must hear, by prefix. S3 refuses prefixes that overlap: then it hears all of the outer one."""
    annotations, images = storage.annotations_prefix, storage.images_prefix
    if annotations.startswith(images) or images.startswith(annotations):
        return {min(annotations, images, key=len): (CREATED, REMOVED)}
    return {annotations: (CREATED, REMOVED), images: (CREATED,)}


def queue_configurations(queue_arn: str, storage: StorageSettings) -> list[dict[str, Any]]:
    """What the bucket's QueueConfigurations must hold."""
    return [
        {
            "Id": f"{_ID}{prefix.strip('/').replace('/', '-') or 'all'}",
            "QueueArn": queue_arn,
            "Events": list(events),
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
        }
        for prefix, events in wanted_events(storage).items()
    ]


def configured(s3: S3Client, bucket: str) -> dict[str, Any]:
    """What the bucket tells whom, now."""
    reply: Mapping[str, Any] = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {kind: reply[kind] for kind in _KINDS if kind in reply}


def missing_events(
    found: Mapping[str, Any], queue_arn: str, storage: StorageSettings, rules: Sequence[Pattern] = ()
) -> list[str]:
    """What does not reach the queue, as `s3:ObjectCreated:* under images/`. `rules` are EventBridge's to the queue."""
    return [
        f"{event} under {prefix}"
        for prefix, events in wanted_events(storage).items()
        for event in events
        if event not in _reaching(found, queue_arn, prefix) | object_events(rules, storage.bucket, prefix)
    ]


def merged(found: Mapping[str, Any], queue_arn: str, storage: StorageSettings) -> dict[str, Any]:
    """Others' configurations as they are; ours, and what they would overlap with on our queue, replaced."""
    wanted = queue_configurations(queue_arn, storage)
    ids, prefixes = {one["Id"] for one in wanted}, tuple(wanted_events(storage))

    def is_replaced(configuration: Mapping[str, Any]) -> bool:
        inner = _prefix(configuration).startswith(prefixes)
        return configuration.get("Id") in ids or (configuration["QueueArn"] == queue_arn and inner)

    others = [configuration for configuration in found.get("QueueConfigurations", []) if not is_replaced(configuration)]
    return {**found, "QueueConfigurations": [*others, *wanted]}


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


def _reaching(found: Mapping[str, Any], queue_arn: str, prefix: str) -> set[str]:
    """The events that reach the queue for every key under the prefix."""
    return {
        event
        for configuration in found.get("QueueConfigurations", [])
        if configuration["QueueArn"] == queue_arn and _covers(configuration, prefix)
        for event in configuration["Events"]
    }


def _covers(configuration: Mapping[str, Any], prefix: str) -> bool:
    no_suffix = not any(rule["Name"].lower() == "suffix" and rule["Value"] for rule in _rules(configuration))
    return no_suffix and prefix.startswith(_prefix(configuration))


def _prefix(configuration: Mapping[str, Any]) -> str:
    values = [str(rule["Value"]) for rule in _rules(configuration) if rule["Name"].lower() == "prefix"]
    return values[0] if values else ""


def _rules(configuration: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    rules: Sequence[Mapping[str, Any]] = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return rules
