"""`python -m serving` as SageMaker runs it: a process with an archive, asked over HTTP."""

import base64
import http.client
import io
import json
import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
import pytest

from loc360.wire import (
    Box,
    DetectorRequest,
    Echo,
    Image,
    Point,
    SegmenterRequest,
    decode_detector_reply,
    decode_segmenter_replies,
    encode_detector_request,
    encode_segmenter_request,
)
from tests.contract.sagemaker_server import wait_until
from tests.integration.containers import Container, error_message, json_lines, running, with_handler

pytestmark = pytest.mark.integration

ECHO = Echo("r7", 0, 1, "tomato", 0.9, Box(10, 20, 30, 40), Box(0, 0, 50, 60))


def table_with(*discs: tuple[int, int, int]) -> Image:
    """Red discs (x, y, radius) on a brown, slightly grained table, 480 x 360."""
    table = np.random.default_rng(1).normal((120, 95, 70), 4, (360, 480, 3)).clip(0, 255).astype(np.uint8)
    for x, y, radius in discs:
        cv2.circle(table, (x, y), radius, (200, 35, 25), -1, cv2.LINE_AA)
    return table


def asked_for(photo: Image) -> str:
    return encode_detector_request(DetectorRequest("r7", photo))


def disc_request(index: int = 0, point: Point | None = None) -> SegmenterRequest:
    return SegmenterRequest(table_with((200, 150, 60)), Box(138, 88, 262, 212), point, replace(ECHO, index=index))


def test_the_detector_finds_each_disc_where_it_lies(detector: Container) -> None:
    status, body = detector.invoke(asked_for(table_with((100, 100, 40), (300, 120, 30), (200, 270, 50))))
    reply = decode_detector_reply(body)
    assert (status, reply.release, reply.width_px, reply.height_px) == (200, "r7", 480, 360)
    boxes = sorted(find.box for find in reply.finds)
    truth = [(60, 60, 140, 140), (150, 220, 250, 320), (270, 90, 330, 150)]
    assert np.asarray(boxes) == pytest.approx(np.asarray(truth), abs=5)
    assert all(find.label == "tomato" and 0 < find.score <= 1 for find in reply.finds)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 400)])
def test_a_photo_of_one_colour_has_no_finds(detector: Container, shape: tuple[int, int]) -> None:
    status, body = detector.invoke(asked_for(np.full((*shape, 3), 120, np.uint8)))
    assert status == 200
    assert decode_detector_reply(body).finds == ()


@pytest.mark.parametrize("point", [None, Point(205, 160)])
def test_the_segmenter_cuts_the_object_out_and_echoes_the_rest(segmenter: Container, point: Point | None) -> None:
    status, body = segmenter.invoke(encode_segmenter_request(disc_request(point=point)))
    (reply,) = decode_segmenter_replies(body)
    assert (status, reply.echo) == (200, ECHO)
    truth = cv2.circle(np.zeros((360, 480), np.uint8), (200, 150), 60, 1, -1) > 0
    assert (reply.mask & truth).sum() / (reply.mask | truth).sum() > 0.95


def test_a_list_of_objects_is_answered_by_a_list_in_its_order(segmenter: Container) -> None:
    asked = [encode_segmenter_request(disc_request(index)) for index in (2, 0, 1)]
    status, body = segmenter.invoke(json.dumps(asked))
    assert status == 200
    assert all(isinstance(item, dict) for item in json.loads(body))
    assert [reply.echo.index for reply in decode_segmenter_replies(body)] == [2, 0, 1]


def test_an_empty_list_is_answered_by_an_empty_list(segmenter: Container) -> None:
    assert segmenter.invoke("[]") == (200, b"[]")


@pytest.mark.parametrize(
    "body",
    [b"", b"rubbish", b"\xff\xfe", b"null", b"3", b"{}", b'{"release": "r", "image": "!"}', b'{"error": {"code": 1}}'],
)
def test_a_bad_body_is_refused_without_a_traceback(detector: Container, segmenter: Container, body: bytes) -> None:
    for container in (detector, segmenter):
        status, answer = container.invoke(body)
        assert status in {400, 415}
        assert "Traceback" not in error_message(answer)


def test_a_request_for_the_other_model_is_refused(detector: Container, segmenter: Container) -> None:
    assert detector.invoke(encode_segmenter_request(disc_request()))[0] == 400
    assert segmenter.invoke(asked_for(table_with()))[0] == 400


def packed(photo: Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(photo).save(file, kind, **options)
    return file.getvalue()


def npy(photo: Image) -> bytes:
    file = io.BytesIO()
    np.save(file, photo)
    return file.getvalue()


def test_a_photo_as_it_is_has_the_same_finds_as_in_json(detector: Container) -> None:
    photo = table_with((100, 100, 40), (300, 120, 30))
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Orientation] = 6
    jpeg = packed(photo, "JPEG", quality=95)
    in_json = json.dumps({"release": "", "image": base64.b64encode(jpeg).decode()})
    assert detector.invoke(jpeg, "image/jpeg") == detector.invoke(in_json)
    sideways = packed(np.rot90(photo).copy(), "PNG", exif=exif)
    as_png = detector.invoke(packed(photo, "PNG"), "image/png")
    assert as_png == detector.invoke(npy(photo), "application/x-npy") == detector.invoke(sideways, "image/png")
    assert len(decode_detector_reply(as_png[1]).finds) == 2


def test_the_segmenter_takes_a_photo_as_it_is_and_a_box(segmenter: Container) -> None:
    photo = table_with((200, 150, 60))
    status, body = segmenter.invoke(npy(photo), "application/x-npy", "trace_id=t-1;box=138,88,262,212")
    (reply,) = decode_segmenter_replies(body)
    truth = cv2.circle(np.zeros((360, 480), np.uint8), (200, 150), 60, 1, -1) > 0
    assert (status, reply.echo.release, reply.echo.box) == (200, "", (138, 88, 262, 212))
    assert (reply.mask & truth).sum() / (reply.mask | truth).sum() > 0.95
    assert segmenter.invoke(npy(photo), "application/x-npy", "box=1,2,3")[0] == 400


def test_other_content_types_are_refused(detector: Container) -> None:
    status, answer = detector.invoke(asked_for(table_with()), "text/csv")
    assert status == 415
    assert error_message(answer).startswith("Send application/json, image/jpeg")
    assert detector.invoke(b"no picture", "image/jpeg")[0] == 400
    assert detector.invoke(asked_for(table_with()), "application/json; charset=utf-8")[0] == 200


def test_each_invocation_leaves_its_metrics_in_the_log(detector: Container) -> None:
    detector.invoke(asked_for(table_with((100, 100, 40))), attributes="trace_id=m-1")

    def told() -> list[dict[str, Any]]:
        return [line for line in json_lines(detector.log) if line.get("trace_id") == "m-1" and "_aws" in line]

    wait_until(lambda: bool(told()))
    (line,) = told()
    assert (line["Endpoint"], line["Role"], line["Objects"]) == ("endpoint-1", "detector", 1)
    assert line["LatencyMs"] > 0


def test_more_than_sagemaker_hands_over_is_refused(detector: Container) -> None:
    assert detector.invoke(b" " * 6_291_457)[0] == 413
    assert detector.invoke(b" " * 6_291_456)[0] == 400


def test_other_paths_and_methods_are_refused(detector: Container) -> None:
    assert detector.ask("GET", "/models")[0] == 404
    assert detector.ask("GET", "/invocations")[0] == 405


def test_requests_are_answered_side_by_side(segmenter: Container) -> None:
    bodies: dict[int, bytes] = {}

    def ask(index: int) -> None:
        bodies[index] = segmenter.invoke(encode_segmenter_request(disc_request(index)))[1]

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(decode_segmenter_replies(bodies[index])[0].echo.index == index for index in range(8))


def test_what_a_caller_asks_over_one_connection_is_answered_in_its_order(segmenter: Container) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", segmenter.port, timeout=30)
    for index in range(40):
        connection.request("POST", "/invocations", "[]" if index % 2 else "{", {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, response.read() == b"[]") == ((200, True) if index % 2 else (400, False))
    connection.close()


def test_sigterm_lets_a_request_end_refuses_new_ones_and_ends_the_server(
    container_python: Path, tmp_path: Path
) -> None:
    code = f"""
import pathlib, time
def model_fn(model_dir): return None
def transform_fn(model, body, content_type, accept):
    pathlib.Path({str(tmp_path / "asked")!r}).touch()
    while not pathlib.Path({str(tmp_path / "go")!r}).exists():
        time.sleep(0.02)
    return body
"""
    answers = []
    with running(container_python, with_handler(tmp_path, code)) as container:
        container.wait_for_ping(200)
        asking = threading.Thread(target=lambda: answers.append(container.invoke('{"last": true}')))
        asking.start()
        wait_until((tmp_path / "asked").exists)
        container.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(container))
        (tmp_path / "go").touch()
        asking.join()
        assert container.process.wait(10) == 0
    assert answers == [(200, b'{"last": true}')]


def refuses(container: Container) -> bool:
    try:
        socket.create_connection(("127.0.0.1", container.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
