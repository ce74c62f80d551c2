"""What the queue brings is read as S3 documents it, and refused if it is anything else."""

import contextlib
import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenoloop.errors import EventInvalid
from sync.events import ObjectChange, object_events


def message(name: str = "ObjectCreated:Put", key: str = "annotations/7") -> str:
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": name,
        "s3": {"bucket": {"name": "phenoloop"}, "object": {"key": key, "eTag": "0" * 32, "sequencer": "0055AED6DCD9"}},
    }
    return json.dumps({"Records": [record]})


def test_a_saved_object_is_named_by_bucket_and_key() -> None:
    (event,) = object_events(message())
    assert (event.change, event.bucket, event.key) == (ObjectChange.CREATED, "phenoloop", "annotations/7")


def test_a_removed_object_is_told_apart_from_a_saved_one() -> None:
    (event,) = object_events(message("ObjectRemoved:Delete"))
    assert event.change is ObjectChange.REMOVED


def test_the_test_event_that_s3_sends_first_means_nothing() -> None:
    assert object_events('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "phenoloop"}') == []


@given(st.text(min_size=1, max_size=40))
def test_any_key_survives_its_url_encoding(key: str) -> None:
    (event,) = object_events(message(key=quote_plus(key.encode("utf-8", "replace"))))
    assert event.key == key.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("body", ["", "[]", "{}", "nonsense", '{"Records": [{}]}', message("ObjectRestore:Post")])
def test_anything_else_is_refused_with_one_clear_error(body: str) -> None:
    with pytest.raises(EventInvalid):
        object_events(body)


@given(st.text(max_size=200))
def test_rubbish_never_raises_anything_but_event_invalid(body: str) -> None:
    with contextlib.suppress(EventInvalid):
        object_events(body)
