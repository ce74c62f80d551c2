"""SQS and EventBridge: whether the loop hears of annotations and approvals."""

from __future__ import annotations

import json

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.connect.notification import BY_RULES, configured, missing_events, wanted_events
from phenoloop.connect.rules import rule_patterns
from phenoloop.doctor.check import Finding, failed, ok, warn
from phenoloop.doctor.loop import Loop

APPROVALS = "SageMaker Model Package State Change"
BACKLOG = 1000


def queue(loop: Loop) -> Finding:
    """Whether it is there, moves aside what can't be handled, and is emptied."""
    url = loop.settings.queue_url
    found = loop.aws.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    waiting = int(found.get("ApproximateNumberOfMessages", 0))
    if not found.get("RedrivePolicy"):
        return warn(
            f"{waiting} waiting; no dead-letter queue",
            "Give the queue a RedrivePolicy, or a message that can't be handled comes back for ever.",
        )
    if waiting > BACKLOG:
        return warn(f"{waiting} messages wait", "Does sync run (`python -m sync`), and what does its log say?")
    return ok(f"{waiting} waiting")


def dead_letters(loop: Loop) -> Finding:
    """What sync gave up on."""
    sqs, url = loop.aws.sqs(), loop.settings.queue_url
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
    if not policy.get("RedrivePolicy"):
        return warn("no dead-letter queue", "Give the queue a RedrivePolicy.")
    name = str(json.loads(policy["RedrivePolicy"])["deadLetterTargetArn"]).rpartition(":")[2]
    dead_url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    if count := int(found["ApproximateNumberOfMessages"]):
        return warn(f"{count} messages in {name}", "sync's log says why; after the cure move them back (redrive).")
    return ok(f"{name} is empty")


def notification(loop: Loop) -> Finding:
    """Whether S3 tells our queue of annotations written and removed, and of photos that come."""
    storage = loop.settings.storage
    found = configured(loop.aws.s3(), storage.bucket)
    queue_arn = loop.queue_arn()
    rules = rule_patterns(loop.aws.events(), queue_arn) if BY_RULES in found else []
    missing = missing_events(found, queue_arn, storage, rules)
    if missing:
        return failed(
            f"{' and '.join(missing)} do not reach the queue",
            "Set the bucket's notification: `phenoloop connect --apply-notification`.",
        )
    return ok(f"what happens under {' and '.join(wanted_events(storage))} reaches the queue")


def approvals(loop: Loop) -> Finding:
    """Whether an EventBridge rule brings approvals to the queue. Without one the next sweep finds them."""
    slower = "Without it, sync notices an approval only at its next sweep."
    try:
        events = loop.aws.events()
        targets = (queue_arn := loop.queue_arn(), _approval_arn(queue_arn))
        found = [events.list_rule_names_by_target(TargetArn=target).get("RuleNames", []) for target in targets]
        rules = [events.describe_rule(Name=name) for names in found for name in names]
    except (ClientError, BotoCoreError) as error:
        return warn(f"EventBridge can't be asked ({type(error).__name__})", f"Look at its rules yourself. {slower}")
    bringing = [rule for rule in rules if _brings_approvals(rule.get("EventPattern", ""))]
    if not bringing:
        return warn("no rule sends approvals to the queue", f"Add a rule for {APPROVALS!r}. {slower}")
    asleep = [rule["Name"] for rule in bringing if rule.get("State") == "DISABLED"]
    if len(asleep) == len(bringing):
        return warn(f"the rule {asleep[0]} is disabled", f"Enable it. {slower}")
    return ok(", ".join(rule["Name"] for rule in bringing))


def _approval_arn(queue_arn: str) -> str:
    """Of the Lambda that queues them, where `infra/template.yaml` was deployed."""
    _, _, _, region, account, _ = queue_arn.split(":")
    return f"arn:aws:lambda:{region}:{account}:function:phenoloop-approval"


def _brings_approvals(pattern: str) -> bool:
    try:
        wanted = json.loads(pattern or "{}").get("detail-type", [APPROVALS])
    except ValueError:
        return False
    return APPROVALS in wanted or any(isinstance(item, dict) for item in wanted)
