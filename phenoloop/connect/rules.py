"""What EventBridge's rules bring to the queue: the stack of `infra/template.yaml` has S3's events take that way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient

Pattern = Mapping[str, Any]
KINDS = {"Object Created": "s3:ObjectCreated:*", "Object Deleted": "s3:ObjectRemoved:*"}
"""EventBridge's words -> those of S3's own notifications."""


def rule_patterns(events: EventBridgeClient, target_arn: str) -> list[Pattern]:
    """Of the enabled rules that send there. Raises what boto3 raises."""
    names = events.list_rule_names_by_target(TargetArn=target_arn).get("RuleNames", [])
    rules = [events.describe_rule(Name=name) for name in names]
    return [json.loads(rule.get("EventPattern") or "{}") for rule in rules if rule.get("State") != "DISABLED"]


def object_events(patterns: Sequence[Pattern], bucket: str, prefix: str) -> set[str]:
    """Which of S3's events they let through for every key under the prefix, as far as such patterns are like ours."""
    return {
        event
        for pattern in patterns
        if "aws.s3" in pattern.get("source", []) and _covers(pattern.get("detail", {}), bucket, prefix)
        for kind, event in KINDS.items()
        if kind in pattern.get("detail-type", KINDS)
    }


def _covers(detail: Pattern, bucket: str, prefix: str) -> bool:
    keys = detail.get("object", {}).get("key", [{"prefix": ""}])
    starts = [item["prefix"] for item in keys if isinstance(item, dict) and "prefix" in item]
    return bucket in detail.get("bucket", {}).get("name", [bucket]) and any(map(prefix.startswith, starts))
