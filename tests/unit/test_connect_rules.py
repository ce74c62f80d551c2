"""What EventBridge's rules bring to the queue counts as S3's own notification does."""

from typing import Any

import pytest

from phenoloop.aws.template import stack_template
from phenoloop.connect.notification import missing_events
from phenoloop.connect.rules import object_events
from phenoloop.settings import StorageSettings

QUEUE = "arn:aws:sqs:eu-central-1:000000000000:phenoloop-annotations"
STORAGE = StorageSettings(bucket="photos")
CREATED, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"


def rule(prefix: str = "annotations/", bucket: str = "photos", **changes: Any) -> dict[str, Any]:
    detail = {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": prefix}]}}
    return {"source": ["aws.s3"], "detail-type": ["Object Created", "Object Deleted"], "detail": detail, **changes}


@pytest.mark.parametrize(
    ("pattern", "brought"),
    [
        (rule(), {CREATED, REMOVED}),
        (rule(prefix="anno"), {CREATED, REMOVED}),
        (rule(prefix="annotations/7/"), set()),
        (rule(bucket="of-others"), set()),
        (rule(**{"detail-type": ["Object Created"]}), {CREATED}),
        (rule(source=["aws.ec2"]), set()),
        ({"source": ["aws.s3"]}, {CREATED, REMOVED}),
        ({}, set()),
    ],
)
def test_a_rule_brings_what_its_pattern_lets_through(pattern: dict[str, Any], brought: set[str]) -> None:
    assert object_events([pattern], "photos", "annotations/") == brought


def test_the_rules_of_the_stack_bring_all_that_sync_wants_to_hear() -> None:
    resources = stack_template()["Resources"].values()
    patterns = [about["Properties"]["EventPattern"] for about in resources if about["Type"] == "AWS::Events::Rule"]
    of_s3 = [rule for rule in patterns if rule["source"] == ["aws.s3"]]
    for pattern in of_s3:
        assert pattern["detail"]["bucket"]["name"] == [{"Ref": "BucketName"}]
        pattern["detail"]["bucket"]["name"] = [STORAGE.bucket]
    assert missing_events({}, QUEUE, STORAGE, of_s3) == []
