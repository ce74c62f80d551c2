"""What the queue brings is read as S3 and EventBridge document it, and refused if it is anything else."""

import contextlib
import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenoloop.errors import EventInvalid
from sync.events import EXECUTION_CHANGED, PACKAGE_CHANGED, ObjectEvent, RegistryEvent, events

PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/phenoloop-chain/2"
EXECUTION = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/phenoloop/execution/abcdefghijkl"


def of_s3(name: str = "ObjectCreated:Put", key: str = "annotations/7") -> str:
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": name,
        "s3": {"bucket": {"name": "phenoloop"}, "object": {"key": key, "eTag": "0" * 32, "sequencer": "0055AED6DCD9"}},
    }
    return json.dumps({"Records": [record]})


def of_eventbridge(detail_type: str, **detail: str) -> str:
    return json.dumps({"version": "0", "source": "aws.sagemaker", "detail-type": detail_type, "detail": detail})


@pytest.mark.parametrize("name", ["ObjectCreated:Put", "ObjectRemoved:Delete"])
def test_an_object_that_was_saved_or_removed_is_named_by_bucket_and_key(name: str) -> None:
    assert events(of_s3(name)) == [ObjectEvent("phenoloop", "annotations/7")]


@pytest.mark.parametrize("detail_type", ["Object Created", "Object Deleted"])
def test_an_object_event_may_come_through_eventbridge_with_its_key_as_it_is(detail_type: str) -> None:
    detail = {"bucket": {"name": "phenoloop"}, "object": {"key": "images/a+b%20c.jpg", "size": 5}}
    message = json.dumps({"source": "aws.s3", "detail-type": detail_type, "detail": detail})
    assert events(message) == [ObjectEvent("phenoloop", "images/a+b%20c.jpg")]


def test_a_package_that_was_approved_is_named_by_its_arn() -> None:
    message = of_eventbridge(PACKAGE_CHANGED, ModelPackageArn=PACKAGE, ModelApprovalStatus="Approved")
    assert events(message) == [RegistryEvent(PACKAGE)]


def test_a_run_that_got_further_is_named_by_its_executions_arn() -> None:
    message = of_eventbridge(EXECUTION_CHANGED, pipelineExecutionArn=EXECUTION)
    assert events(message) == [RegistryEvent(EXECUTION)]


def test_the_test_event_that_s3_sends_first_means_nothing() -> None:
    assert events('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "phenoloop"}') == []


@given(st.text(min_size=1, max_size=40))
def test_any_key_survives_its_url_encoding(key: str) -> None:
    (event,) = events(of_s3(key=quote_plus(key.encode("utf-8", "replace"))))
    assert event == ObjectEvent("phenoloop", key.encode("utf-8", "replace").decode())


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        '{"detail-type": "Object Created", "detail": {}}',
        '{"Records": [{}]}',
        of_eventbridge("EC2 Instance State-change Notification"),
    ],
)
def test_anything_else_is_refused_with_one_clear_error(body: str) -> None:
    with pytest.raises(EventInvalid):
        events(body)


@given(st.text(max_size=200))
def test_rubbish_never_raises_anything_but_event_invalid(body: str) -> None:
    with contextlib.suppress(EventInvalid):
        events(body)


@pytest.mark.parametrize("about", ["7" * 5000, "[]", '{"a": 1}'])
def test_an_event_about_something_that_is_no_name_is_refused(about: str) -> None:
    with pytest.raises(EventInvalid):
        events(f'{{"detail-type": "{PACKAGE_CHANGED}", "detail": {{"ModelPackageArn": {about}}}}}')
