"""What every release's endpoints must do. Run by `phenoloop endpoints test`, after each deployment."""

import json
import statistics

import pytest

from loc360.payloads import PAYLOAD_LIMIT_BYTES
from loc360.wire import decode_segmenter_replies
from phenoloop.endpoint_tests.subject import THINGS, Subject

CALLS = 7
STAGES = ("detector", "segmenter")


def endpoint(subject: Subject, stage: str) -> str:
    return subject.release.detector.endpoint if stage == "detector" else subject.release.segmenter.endpoint


def payload(subject: Subject, stage: str) -> str:
    """One that the stage answers."""
    return subject.detector_payload() if stage == "detector" else json.loads(subject.segmenter_payload())[0]


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_in_service(subject: Subject, stage: str) -> None:
    answer = subject.ask(endpoint(subject, stage), payload(subject, stage))
    assert answer.status == 200, answer.text


def test_the_detector_answers_with_finds_inside_the_photo(subject: Subject) -> None:
    reply = subject.finds()
    for find in reply.finds:
        assert 0 <= find.box.x0 < find.box.x1 <= reply.width_px
        assert 0 <= find.box.y0 < find.box.y1 <= reply.height_px
        assert 0 <= find.score <= 1
        assert find.label in subject.release.manifest["labels"]


def test_the_segmenter_answers_with_a_mask_for_an_object(subject: Subject) -> None:
    answer = subject.ask(endpoint(subject, "segmenter"), payload(subject, "segmenter"))
    (reply,) = decode_segmenter_replies(answer.text)
    assert reply.mask.any(), "nothing of a plain object on plain ground was found"
    assert reply.echo.count == len(THINGS)


def test_the_segmenter_takes_a_list_and_answers_as_to_single_calls(subject: Subject) -> None:
    requests = json.loads(subject.segmenter_payload())
    whole = subject.ask(endpoint(subject, "segmenter"), subject.segmenter_payload())
    single = [subject.ask(endpoint(subject, "segmenter"), request).text for request in requests]
    assert subject.measured(whole.text) == subject.measured(json.dumps(single))


def test_both_stages_are_of_this_release(subject: Subject) -> None:
    assert subject.finds().release == subject.release.name
    answer = subject.ask(endpoint(subject, "segmenter"), subject.segmenter_payload())
    assert {reply.echo.release for reply in decode_segmenter_replies(answer.text)} == {subject.release.name}
    assert subject.measured(answer.text)["release"] == subject.release.name


@pytest.mark.parametrize("stage", STAGES)
def test_the_same_request_is_answered_the_same(subject: Subject, stage: str) -> None:
    answers = {subject.ask(endpoint(subject, stage), payload(subject, stage)).text for _ in range(2)}
    assert len(answers) == 1


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("body", ["{}", "no JSON", '{"image": "no picture"}'])
def test_a_request_that_is_none_is_refused(subject: Subject, stage: str, body: str) -> None:
    answer = subject.ask(endpoint(subject, stage), body)
    assert answer.status == 400, answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("stage", STAGES)
def test_another_content_type_is_refused(subject: Subject, stage: str) -> None:
    assert subject.ask(endpoint(subject, stage), payload(subject, stage), "text/csv").status == 415


@pytest.mark.parametrize("stage", STAGES)
def test_a_body_over_the_limit_is_refused(subject: Subject, stage: str) -> None:
    answer = subject.ask(endpoint(subject, stage), payload(subject, stage).ljust(PAYLOAD_LIMIT_BYTES + 1))
    assert answer.status in {400, 413}, answer.text


@pytest.mark.parametrize("stage", STAGES)
def test_it_answers_in_time(subject: Subject, stage: str) -> None:
    body = payload(subject, stage)
    median_ms = 1000 * statistics.median(subject.ask(endpoint(subject, stage), body).seconds for _ in range(CALLS))
    assert median_ms <= subject.most_ms, f"the median of {CALLS} calls took {median_ms:.0f} ms"
