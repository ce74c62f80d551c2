"""What doctor and connect ask of AWS, asked of two S3s and of moto's SageMaker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from loc360.manifest import Manifest
from phenoloop.chain.releases import ReleaseStore
from phenoloop.connect.endpoints import adopted_release, go_live
from phenoloop.connect.notification import notify_queue
from phenoloop.doctor import events
from phenoloop.doctor import s3 as s3_checks
from phenoloop.doctor.check import State
from phenoloop.doctor.loop import Aws, Loop
from phenoloop.errors import EndpointRefused, EventsUnavailable, SettingsInvalid
from phenoloop.settings import BackendSettings, LabelStudioSettings, Settings, StorageSettings
from sync.release.rollouts import Rollouts

MANIFEST = Manifest(release="", detector_model="d", segmenter_model="s", labels=("carrot",)).to_dict()


class SameServer(Aws):
    """Clients of the server that a given client talks to."""

    def __init__(self, s3: Any) -> None:
        super().__init__()
        self._url = s3.meta.endpoint_url

    def client(self, name: str, *, read_timeout_s: float = 5.0) -> Any:
        url = None if "amazonaws" in self._url else self._url
        return boto3.client(name, region_name="us-east-1", endpoint_url=url)  # type: ignore[call-overload]


@pytest.fixture
def loop(s3: Any, bucket: str) -> Loop:
    aws = SameServer(s3)
    queue_url = aws.sqs().create_queue(QueueName=f"queue-{uuid4().hex[:8]}")["QueueUrl"]
    return Loop(settings_of(bucket, queue_url), project_id=1, aws=aws)


def settings_of(bucket: str, queue_url: str) -> Settings:
    return Settings(
        storage=StorageSettings(bucket=bucket),
        label_studio=LabelStudioSettings(url="http://label-studio", token="t"),  # type: ignore[arg-type]
        backend=BackendSettings(password="p" * 12),  # type: ignore[arg-type]
        queue_url=queue_url,
    )


def test_a_bucket_that_keeps_conditions_passes_and_no_probe_stays(loop: Loop, s3: Any, bucket: str) -> None:
    looks = (s3_checks.bucket, s3_checks.writing, s3_checks.conditional_writes)

    assert [look(loop).state for look in looks] == [State.OK] * 3
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_bucket_without_photos_is_a_warning(loop: Loop, s3: Any, bucket: str) -> None:
    assert s3_checks.photos(loop).state is State.WARN

    s3.put_object(Bucket=bucket, Key="images/a.jpg", Body=b"photo")

    assert s3_checks.photos(loop).state is State.OK


def test_a_missing_notification_is_found_set_and_found_right(loop: Loop, s3: Any) -> None:
    sqs = loop.aws.sqs()
    assert events.notification(loop).state is State.FAILED
    assert notify_queue(s3, sqs, loop.settings, apply=False).outcome == "left"
    assert events.notification(loop).state is State.FAILED

    assert notify_queue(s3, sqs, loop.settings, apply=True).outcome == "done"

    assert events.notification(loop).state is State.OK
    assert notify_queue(s3, sqs, loop.settings, apply=True).outcome == "right"


def test_what_others_configured_on_the_bucket_stays(loop: Loop, s3: Any, bucket: str) -> None:
    sqs = loop.aws.sqs()
    other_url = sqs.create_queue(QueueName=f"other-{uuid4().hex[:8]}")["QueueUrl"]
    other_arn = sqs.get_queue_attributes(QueueUrl=other_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    theirs = {"Id": "theirs", "QueueArn": other_arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [theirs]})

    notify_queue(s3, sqs, loop.settings, apply=True)

    found = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert {configuration["QueueArn"] for configuration in found} == {other_arn, loop.queue_arn()}


def test_a_queue_that_is_not_there_is_said_to_be(loop: Loop, s3: Any) -> None:
    settings = settings_of(loop.settings.storage.bucket, loop.settings.queue_url + "-gone")

    with pytest.raises(EventsUnavailable, match="PHENOLOOP_QUEUE_URL"):
        notify_queue(s3, loop.aws.sqs(), settings, apply=True)


def test_a_queue_without_dead_letters_is_a_warning(loop: Loop) -> None:
    assert events.queue(loop).state is State.WARN

    sqs = loop.aws.sqs()
    dead_url = sqs.create_queue(QueueName=f"dead-{uuid4().hex[:8]}")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 5})
    sqs.set_queue_attributes(QueueUrl=loop.settings.queue_url, Attributes={"RedrivePolicy": policy})

    assert (events.queue(loop).state, events.dead_letters(loop).state) == (State.OK, State.OK)
    sqs.send_message(QueueUrl=dead_url, MessageBody="odd")
    assert events.dead_letters(loop).state is State.WARN


def test_approvals_need_an_enabled_rule_to_the_queue(loop: Loop) -> None:
    assert events.approvals(loop).state is State.WARN

    rules, name = loop.aws.events(), f"approvals-{uuid4().hex[:8]}"
    rules.put_rule(Name=name, EventPattern=json.dumps({"detail-type": [events.APPROVALS]}))
    rules.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": loop.queue_arn()}])

    assert events.approvals(loop).state is State.OK
    rules.disable_rule(Name=name)
    assert events.approvals(loop).state is State.WARN


def test_approvals_may_come_by_the_lambda_of_the_stack(loop: Loop) -> None:
    rules, name = loop.aws.events(), f"packages-{uuid4().hex[:8]}"
    target = loop.queue_arn().replace(":sqs:", ":lambda:").rpartition(":")[0] + ":function:phenoloop-approval"
    rules.put_rule(Name=name, EventPattern=json.dumps({"detail-type": [events.APPROVALS]}))
    rules.put_targets(Rule=name, Targets=[{"Id": "approval", "Arn": target}])

    assert events.approvals(loop).state is State.OK
    rules.disable_rule(Name=name)  # the services are shared with other tests


@pytest.fixture
def sagemaker() -> Iterator[Any]:
    """With two endpoints that someone deployed by hand."""
    with mock_aws():
        client = boto3.client("sagemaker", region_name="us-east-1")
        for role in ("detector", "segmenter"):
            client.create_model(
                ModelName=f"their-{role}",
                PrimaryContainer={"Image": "image:1", "ModelDataUrl": f"s3://models/{role}.tar.gz"},
                ExecutionRoleArn="arn:aws:iam::000000000000:role/theirs",
            )
            variant = {"VariantName": "v", "ModelName": f"their-{role}", "InstanceType": "ml.c5.large"}
            client.create_endpoint_config(
                EndpointConfigName=f"config-{role}", ProductionVariants=[variant | {"InitialInstanceCount": 1}]
            )
            client.create_endpoint(EndpointName=f"endpoint-{role}", EndpointConfigName=f"config-{role}")
        yield client


def test_deployed_endpoints_become_a_release_that_is_live_if_none_was(sagemaker: Any) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="photos")
    store, rollouts = ReleaseStore(s3, "photos"), Rollouts(s3, StorageSettings(bucket="photos"))
    adopt = {"detector": "endpoint-detector", "segmenter": "endpoint-segmenter"}
    release = adopted_release(sagemaker, manifest=MANIFEST, **adopt)
    other = adopted_release(sagemaker, manifest=MANIFEST | {"score_threshold": 0.5}, **adopt)

    assert release.detector.model_data_url == "s3://models/detector.tar.gz"
    assert [step.outcome for step in go_live(store, rollouts, release, even_if_another_is=False)] == ["done"]
    assert [step.outcome for step in go_live(store, rollouts, release, even_if_another_is=False)] == ["right"]
    assert [step.outcome for step in go_live(store, rollouts, other, even_if_another_is=False)] == ["left"]
    assert store.live() == release
    assert [step.outcome for step in go_live(store, rollouts, other, even_if_another_is=True)] == ["done"]
    assert store.live() == other
    assert [rollout.release for rollout in rollouts.list() if rollout.adopted] == [other.name, release.name]


def test_an_endpoint_that_is_not_there_is_named(sagemaker: Any) -> None:
    with pytest.raises(EndpointRefused, match="nowhere"):
        adopted_release(sagemaker, detector="nowhere", segmenter="endpoint-segmenter", manifest=MANIFEST)


def test_a_manifest_of_other_fields_is_refused(sagemaker: Any) -> None:
    with pytest.raises(SettingsInvalid, match="colour"):
        adopted_release(
            sagemaker,
            detector="endpoint-detector",
            segmenter="endpoint-segmenter",
            manifest=MANIFEST | {"colour": "red"},
        )
