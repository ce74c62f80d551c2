"""The sync worker against S3, SQS and EventBridge: whatever the queue brings or loses, each concern gets its turn."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from phenoloop.errors import LabelStudioUnavailable
from phenoloop.local_aws.provision import provision
from phenoloop.logs import current_trace_id
from phenoloop.settings import StorageSettings
from sync.loop import Loop
from sync.metrics import SyncMetrics
from sync.worker import LATE_S, STUCK_S, Concern, SyncWorker

BUCKET = "phenoloop"
STORAGE = StorageSettings(bucket=BUCKET)
LATER_S = 1000.0


class WatchedLoop:
    """Notes which concerns were looked at. `fail` names those that raise."""

    def __init__(self) -> None:
        self.looked: list[str] = []
        self.told: list[str] = []
        self.looked_under: dict[str, str | None] = {}
        self.fail: dict[str, Exception] = {}

    def __getattr__(self, concern: str) -> Callable[[], float]:
        def look() -> float:
            self.looked.append(concern)
            self.looked_under[concern] = current_trace_id()
            if concern in self.fail:
                raise self.fail[concern]
            return LATER_S

        return look

    def annotation_changed(self, key: str) -> None:
        self.told.append(key)


class Around:
    """The queue, the worker and its loop of one test."""

    def __init__(self) -> None:
        clients = [boto3.client(name, region_name="us-east-1") for name in ("s3", "sqs", "events")]
        self.s3, self.sqs, self.events = cast("list[Any]", clients)
        made = provision(*clients, storage=STORAGE, queue="events")  # type: ignore[arg-type]
        self.queue_url, self.loop = made.queue_url, WatchedLoop()
        self.worker = SyncWorker(self.sqs, made.queue_url, cast("Loop", self.loop), STORAGE)

    def save(self, key: str = "annotations/7") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")

    def send(self, body: str) -> str:
        """The message's id."""
        return str(self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)["MessageId"])

    def settle(self) -> None:
        """The worker has looked at everything and heard all that is in the queue."""
        self.worker.turn()
        self.loop.looked.clear()
        for _ in range(5):
            self.worker.listen(wait_s=0)

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return sum(map(int, attributes.values()))


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Iterator[Around]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Around()


def test_after_a_start_everything_is_looked_at_once_without_any_event(around: Around) -> None:
    around.worker.turn()
    around.worker.turn()
    assert sorted(around.loop.looked) == ["annotations", "exports", "module", "photos", "release", "tasks"]


def test_a_saved_annotation_wakes_the_concern_for_annotations_and_its_message_is_deleted(around: Around) -> None:
    around.save()
    around.settle()
    around.worker.turn()
    assert around.loop.looked == ["annotations"]
    assert around.loop.told == ["annotations/7"]
    assert around.waiting() == 0


def test_a_photo_that_came_wakes_the_concern_for_photos(around: Around) -> None:
    around.save("images/incoming/a.jpg")
    around.settle()
    around.worker.turn()
    assert (around.loop.looked, around.waiting()) == (["photos"], 0)


def test_an_approved_package_wakes_the_release_and_then_the_tasks(around: Around) -> None:
    around.send(_approved())
    around.settle()
    around.worker.turn()
    assert around.loop.looked == ["release", "tasks", "module"]


def test_what_is_told_of_other_prefixes_wakes_nobody(around: Around) -> None:
    record = {"s3": {"bucket": {"name": BUCKET}, "object": {"key": "runs/a.json"}}}
    around.send(json.dumps({"Records": [record]}))
    around.settle()
    around.worker.turn()
    assert (around.loop.looked, around.waiting()) == ([], 0)


def test_a_message_that_is_no_event_stays_for_the_dead_letter_queue_and_is_in_nobodys_way(around: Around) -> None:
    around.send("rubbish")
    around.save()
    around.settle()
    assert (around.loop.told, around.waiting()) == (["annotations/7"], 1)


def test_a_concern_that_fails_keeps_no_other_from_its_turn_and_is_tried_again(around: Around) -> None:
    around.loop.fail["annotations"] = LabelStudioUnavailable("It does not answer.")
    around.loop.fail["release"] = ZeroDivisionError()
    around.worker.turn()
    assert sorted(around.loop.looked) == ["annotations", "exports", "module", "photos", "release", "tasks"]
    time.sleep(2.1)  # the first pause
    around.loop.looked.clear()
    around.worker.turn()
    assert sorted(around.loop.looked) == ["annotations", "release"]


def test_without_its_queue_the_worker_goes_on_by_time(around: Around) -> None:
    around.sqs.delete_queue(QueueUrl=around.queue_url)
    around.worker.turn()
    around.worker.listen(wait_s=0)
    assert "annotations" in around.loop.looked


def test_an_event_leads_to_the_look_that_it_wakes(around: Around) -> None:
    around.worker.turn()
    with capture_logs(processors=[merge_contextvars]) as lines:
        first, second = (around.send(_approved()) for _ in range(2))
        around.worker.listen(wait_s=0)
        around.worker.listen(wait_s=0)
        around.worker.turn()
    woken = {line["trace_id"]: line["look"] for line in lines if line["event"] == "look woken"}
    assert woken.keys() == {first, second}
    assert set(woken.values()) == {around.loop.looked_under["release"]} <= {first, second}


def test_a_look_that_no_event_asked_for_has_an_id_of_its_own(around: Around) -> None:
    around.worker.turn()
    assert all(around.loop.looked_under.values())
    assert len(set(around.loop.looked_under.values())) == 6


def test_looks_and_events_are_counted_by_what_came_of_them(around: Around) -> None:
    around.loop.fail["exports"] = LabelStudioUnavailable("It does not answer.")
    around.save()
    around.send("rubbish")
    around.worker.turn()
    around.settle()
    text = around.worker.metrics.text()
    for line in (
        'phenoloop_look_seconds_count{concern="exports",outcome="LabelStudioUnavailable"} 1.0',
        'phenoloop_look_seconds_count{concern="tasks",outcome="ok"} 1.0',
        'phenoloop_events_total{about="annotations"} 1.0',
        'phenoloop_events_total{about="unreadable"} 1.0',
    ):
        assert line in text
    assert 'phenoloop_last_good_look_timestamp_seconds{concern="tasks"}' in text
    assert 'phenoloop_last_good_look_timestamp_seconds{concern="exports"}' not in text


def test_a_worker_that_looks_well_has_no_problems(around: Around) -> None:
    around.worker.turn()
    assert (around.worker.problems(), around.worker.stuck()) == ([], "")


def test_a_concern_without_a_good_look_for_long_is_a_problem_that_says_why() -> None:
    def look() -> float:
        raise LabelStudioUnavailable("It does not answer.")

    concern = Concern("exports", look)
    concern.take_care(SyncMetrics())
    assert concern.problem() == ""  # it may pass
    concern.owed_since_s -= LATE_S + 1
    assert concern.problem().startswith("exports: not done for")
    assert concern.problem().endswith("It does not answer.")


def test_a_look_that_hangs_is_told_of() -> None:
    told: list[str] = []

    def look() -> float:
        assert concern.began_s is not None
        concern.began_s -= STUCK_S + 1
        told.append(concern.stuck())
        return LATER_S

    concern = Concern("release", look)
    concern.take_care(SyncMetrics())
    assert told[0].startswith("release: one look has lasted")
    assert concern.stuck() == ""


def test_the_queue_tells_how_much_waits(around: Around) -> None:
    around.settle()
    around.send(_approved())
    assert around.worker.waiting() == {"waiting": 1.0, "in_flight": 0.0}


def _approved() -> str:
    return json.dumps({"detail-type": "SageMaker Model Package State Change", "detail": {}})
