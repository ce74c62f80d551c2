"""The sync worker against S3 and SQS: each saved version is journalled once, whatever the queue does."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from phenoloop.local_aws.provision import provision
from phenoloop.settings import StorageSettings
from sync.worker import SyncWorker

BUCKET = "phenoloop"
STORAGE = StorageSettings(bucket=BUCKET)


class Loop:
    """The clients, the queue and the worker of one test."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        self.sqs = boto3.client("sqs", region_name="us-east-1")
        made = provision(self.s3, self.sqs, bucket=BUCKET, queue="events", annotations_prefix="annotations/")
        self.queue_url = made.queue_url
        self.worker = SyncWorker(self.sqs, self.s3, made.queue_url, STORAGE)

    def save(self, annotation_id: int, **changes: Any) -> None:
        annotation = {
            "id": annotation_id,
            "task": {"id": 3, "data": {"image": "s3://phenoloop/images/a.jpg"}},
            "project": 1,
            "result": [{"id": "r1", "type": "brushlabels", "origin": "prediction-changed"}],
            "updated_at": "2026-01-01T10:00:00Z",
        }
        body = json.dumps(annotation | changes).encode()
        self.s3.put_object(Bucket=BUCKET, Key=f"annotations/{annotation_id}", Body=body)

    def drain(self) -> None:
        while messages := self.worker.receive(wait_s=0):
            for message in messages:
                self.worker.handle(message)

    def journal(self) -> list[dict[str, Any]]:
        keys = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="journal/").get("Contents", [])
        return [json.loads(self.s3.get_object(Bucket=BUCKET, Key=key["Key"])["Body"].read()) for key in keys]

    def send(self, key: str, name: str = "ObjectCreated:Put") -> None:
        record = {"eventName": name, "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "sequencer": "1"}}}
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps({"Records": [record]}))

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]  # type: ignore[arg-type]
        return sum(map(int, attributes.values()))


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Loop()


def test_a_saved_annotation_is_journalled_and_its_message_deleted(loop: Loop) -> None:
    loop.save(7)
    loop.drain()
    (entry,) = loop.journal()
    assert (entry["annotation_id"], entry["task_id"]) == (7, 3)
    assert entry["region_origins"] == {"prediction-changed": 1}
    assert loop.waiting() == 0


def test_an_event_delivered_twice_is_journalled_once(loop: Loop) -> None:
    loop.save(7)
    loop.send("annotations/7")
    loop.drain()
    assert (len(loop.journal()), loop.waiting()) == (1, 0)


def test_each_version_of_an_annotation_is_journalled(loop: Loop) -> None:
    loop.save(7)
    loop.drain()
    loop.save(7, was_cancelled=True, result=[])
    loop.drain()
    assert sorted(entry["skipped"] for entry in loop.journal()) == [False, True]


def test_a_removed_annotation_is_journalled_as_removed(loop: Loop) -> None:
    loop.send("annotations/9", "ObjectRemoved:Delete")
    loop.drain()
    assert [entry["annotation_id"] for entry in loop.journal()] == [9]


def test_an_annotation_that_was_removed_before_its_saving_was_seen_is_journalled_as_removed(loop: Loop) -> None:
    loop.send("annotations/9", "ObjectCreated:Put")
    loop.drain()
    assert [entry["annotation_id"] for entry in loop.journal()] == [9]
    assert loop.waiting() == 0


def test_a_late_removal_of_an_annotation_that_is_there_again_changes_nothing(loop: Loop) -> None:
    loop.save(7)
    loop.drain()
    loop.send("annotations/7", "ObjectRemoved:Delete")
    loop.drain()
    assert [entry["task_id"] for entry in loop.journal()] == [3]


def test_an_annotation_of_an_odd_form_costs_no_other_message(loop: Loop) -> None:
    loop.save(7, result=[{"id": ["a", "list"]}])
    loop.save(8)
    loop.drain()
    assert {entry["annotation_id"] for entry in loop.journal()} == {7, 8}


def test_a_message_that_is_no_event_stays_for_the_dead_letter_queue(loop: Loop) -> None:
    loop.sqs.send_message(QueueUrl=loop.queue_url, MessageBody="rubbish")
    loop.drain()
    assert loop.waiting() == 1


def test_an_object_that_is_no_annotation_is_not_journalled_and_stays_visible_to_operators(loop: Loop) -> None:
    loop.s3.put_object(Bucket=BUCKET, Key="annotations/oops", Body=b"not json")
    loop.drain()
    assert loop.journal() == []
    assert loop.waiting() == 1


def test_events_of_other_prefixes_are_acknowledged_and_ignored(loop: Loop) -> None:
    loop.send("images/a.jpg")
    loop.drain()
    assert (loop.journal(), loop.waiting()) == ([], 0)
