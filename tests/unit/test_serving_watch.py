"""What an endpoint's log says of its invocations, in CloudWatch's embedded metric format."""

import json
import math
from typing import Any

import numpy as np
import pytest

from loc360.wire import (
    Box,
    DetectorReply,
    DetectorRequest,
    Echo,
    Find,
    SegmenterReply,
    SegmenterRequest,
    decode_detector_request,
    encode_detector_reply,
    encode_detector_request,
    encode_segmenter_reply,
    encode_segmenter_request,
)
from serving.drift import STEP
from serving.facts import find_facts, impression_facts, photo_facts, statistics
from serving.watch import Invocation, Watch

Line = dict[str, Any]
BOX = Box(10, 10, 30, 30)


def image(seed: int, light: float = 150) -> Any:
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(rng.normal(light, 20), 30, (40, 50, 3)), 0, 255).astype(np.uint8)


def found(
    seed: int = 0, light: float = 150, scores: tuple[float, ...] = (0.9, 0.7, 0.2), impression: tuple[float, ...] = ()
) -> Invocation:
    """A detector's."""
    finds = tuple(Find(BOX, "carrot", score) for score in scores)
    request = encode_detector_request(DetectorRequest("r7", image(seed, light)))
    reply = encode_detector_reply(DetectorReply("r7", 50, 40, finds, impression))
    return Invocation("t-1", 200, 0.25, request.encode(), reply.encode())


def cut_out(index: int, count: int, seed: int = 0) -> Invocation:
    """A segmenter's, which draws half of the box."""
    echo = Echo("r7", index, count, None, 0.9, BOX, Box(0, 0, 50, 40))
    mask = np.zeros((40, 50), np.bool_)
    mask[10:30, 10:20] = True
    request = json.dumps([encode_segmenter_request(SegmenterRequest(image(seed), BOX, None, echo))])
    reply = f"[{encode_segmenter_reply(SegmenterReply(mask, echo))}]"
    return Invocation(None, 200, 0.1, request.encode(), reply.encode())


def detector(**about: Any) -> Watch:
    return Watch("detector-7", {"role": "detector", "score_threshold": 0.5} | about, looking=math.inf)


def reference() -> dict[str, Any]:
    """Of other photos of the kind that `found` sends by itself."""
    photos = [decode_detector_request(found(1000 + seed).request).image for seed in range(64)]
    return statistics([photo_facts(photo) | find_facts([BOX] * 2, [0.9, 0.7], 50, 40) for photo in photos])


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    def read() -> list[Line]:
        """Of metrics."""
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line for line in told if "_aws" in line]

    return read


def named(line: Line) -> dict[str, float]:
    """The metrics that CloudWatch takes from a line."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Phenoloop"
    assert directive["Dimensions"] == [["Endpoint", "Role"]]
    return {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}


def test_an_invocation_is_one_line_of_metrics_under_its_endpoint(lines: Any) -> None:
    detector().answered(found())
    (line,) = lines()
    assert named(line) == {
        "Invocations": 1, "ModelErrors": 0, "LatencyMs": 250, "Objects": 2, "Score": pytest.approx(0.8)
    }  # fmt: skip
    assert (line["Endpoint"], line["Role"], line["trace_id"], line["status"]) == ("detector-7", "detector", "t-1", 200)
    assert line["reply_bytes"] == len(found().reply)
    assert abs(line["_aws"]["Timestamp"] / 1e12 - 1.7) < 0.5  # milliseconds


def test_only_a_fault_of_ours_is_a_model_error(lines: Any) -> None:
    for status in (400, 415, 500):
        detector().answered(Invocation(None, status, 0.01, b"", b"{}"))
    assert [named(line)["ModelErrors"] for line in lines()] == [0, 0, 1]


def test_a_photo_without_finds_has_no_score(lines: Any) -> None:
    detector().answered(found(scores=()))
    (line,) = lines()
    assert (named(line)["Objects"], "Score" in named(line)) == (0, False)


def test_a_segmenters_call_counts_its_objects(lines: Any) -> None:
    Watch("segmenter-7", {"role": "segmenter"}).answered(cut_out(0, 1))
    (line,) = lines()
    assert named(line) == {"Invocations": 1, "ModelErrors": 0, "LatencyMs": 100, "Objects": 1}


def test_a_model_of_another_make_is_timed(lines: Any) -> None:
    Watch("other", {}).answered(Invocation(None, 200, 0.1, b"a,b", b"c"))
    (line,) = lines()
    assert named(line).keys() == {"Invocations", "ModelErrors", "LatencyMs"}


@pytest.mark.parametrize("reference", [None, {}, 3, {"brightness": 1}, {"brightness": {"edges": [1], "counts": [1]}}])
def test_without_a_reference_that_can_be_read_nothing_is_said_but_that(
    reference: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = detector(drift=reference)
    for seed in range(2 * STEP):
        watch.answered(found(seed))
    first, *others = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"event": "no_drift_reference", "role": "detector"}
    assert not [line for line in others if "Drift" in line]


def test_after_some_photos_a_line_also_says_how_far_they_drifted(lines: Any) -> None:
    watch = detector(drift=reference())
    for seed in range(STEP):
        watch.answered(found(seed))
    told = [named(line) for line in lines() if "InputDrift" in named(line)]
    assert len(told) == 1
    assert told[0]["DriftAlarm"] == 0


def test_photos_that_come_faster_than_there_is_time_to_look_are_counted_unseen(lines: Any) -> None:
    watch = Watch("d", {"role": "detector", "drift": reference()}, looking=1e-9)
    for seed in range(2 * STEP):
        watch.answered(found(seed))
    told = [named(line) for line in lines()]
    assert (len(told), sum(line["Objects"] for line in told)) == (2 * STEP, 6 * STEP)
    assert not any("InputDrift" in line for line in told)


def test_dark_photos_alarm_and_the_line_says_what_drifted(lines: Any) -> None:
    watch = detector(drift=reference())
    for seed in range(4 * STEP):
        watch.answered(found(seed, light=50))
    *_, last = (line for line in lines() if "DriftAlarm" in line)
    assert (last["DriftAlarm"], "brightness" in last["drifted"]) == (1, True)
    assert last["InputDrift"] == pytest.approx(max(last["distances"][name] for name in ("brightness", "saturation",
                                               "sharpness", "aspect", "sent_side_px")), abs=1e-4)  # fmt: skip


def test_photos_that_only_the_encoder_tells_apart_alarm(lines: Any) -> None:
    usual = np.random.default_rng(3).normal(size=(64 + 4 * STEP, 2)).tolist()
    watch = detector(drift=reference() | statistics([impression_facts(numbers) for numbers in usual[:64]]))
    for seed, numbers in enumerate(usual[64:]):
        watch.answered(found(seed, impression=tuple(numbers)))
    for seed, (first, second) in enumerate(usual[64:], start=100):
        watch.answered(found(seed, impression=(first, second + 2)))
    alarms = [line["drifted"] for line in lines() if "DriftAlarm" in line]
    assert [alarms[3], alarms[-1]] == [[], ["impression_2"]]


def test_of_the_objects_of_one_photo_one_counts(lines: Any) -> None:
    watch = Watch("s", {"role": "segmenter", "drift": statistics([{"filled": 0.5}] * 40)}, looking=math.inf)
    for seed in range(STEP):
        for index in range(3):
            watch.answered(cut_out(index, 3, 3 * seed + index))
    assert [named(line)["OutputDrift"] for line in lines() if "DriftAlarm" in line] == [pytest.approx(0, abs=0.1)]


def test_what_can_not_be_read_is_told_to_the_log_and_still_counted(capsys: pytest.CaptureFixture[str]) -> None:
    detector().answered(Invocation("t-1", 200, 0.1, b"", b"rubbish"))
    told = capsys.readouterr()
    assert "JSONDecodeError" in told.err
    assert named(json.loads(told.out.splitlines()[-1]))["Invocations"] == 1
