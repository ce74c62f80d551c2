import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loc360.errors import ReplyInvalid, RequestInvalid
from loc360.wire import (
    Box,
    DetectorReply,
    DetectorRequest,
    Echo,
    Find,
    Mask,
    Point,
    SegmenterReply,
    SegmenterRequest,
    decode_detector_reply,
    decode_detector_request,
    decode_segmenter_replies,
    decode_segmenter_requests,
    encode_detector_reply,
    encode_detector_request,
    encode_error,
    encode_segmenter_reply,
    encode_segmenter_request,
    mask_base64,
    mask_from_base64,
)
from tests.hostile.pictures import bomb, lying, scan_bomb

numbers = st.floats(-1e6, 1e6)
words = st.text(max_size=20)
sides = st.integers(1, 40)
masks = st.tuples(sides, sides).flatmap(lambda shape: arrays(np.bool_, shape))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    (x0, x1), (y0, y1) = sorted((draw(numbers), draw(numbers))), sorted((draw(numbers), draw(numbers)))
    return Box(x0, y0, x1, y1)


points = st.builds(Point, numbers, numbers)
finds = st.builds(Find, box=boxes(), label=st.none() | words, score=numbers, point=st.none() | points)
replies = st.builds(
    DetectorReply,
    release=words,
    width_px=st.integers(1, 9000),
    height_px=st.integers(1, 9000),
    finds=st.lists(finds, max_size=5).map(tuple),
    impression=st.lists(numbers, max_size=4).map(tuple),
)
echoes = st.builds(
    Echo,
    release=words,
    index=st.integers(0, 500),
    count=st.integers(0, 500),
    label=st.none() | words,
    score=numbers,
    box=boxes(),
    crop=boxes(),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def even_grey(width: int, height: int, value: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((height, width, 3), value, np.uint8)


@given(masks)
def test_a_mask_comes_back_bit_for_bit(mask: Mask) -> None:
    assert np.array_equal(mask_from_base64(mask_base64(mask)), mask)


@given(replies)
def test_a_detectors_reply_comes_back_as_it_was(reply: DetectorReply) -> None:
    assert decode_detector_reply(encode_detector_reply(reply)) == reply


@given(words, sides, sides, st.integers(0, 255))
def test_a_detectors_request_keeps_release_size_and_colour(release: str, width: int, height: int, grey: int) -> None:
    request = DetectorRequest(release, even_grey(width, height, grey))
    decoded = decode_detector_request(encode_detector_request(request))
    assert decoded.release == release
    assert decoded.image.shape == (height, width, 3)
    assert np.abs(decoded.image.astype(int) - grey).max() <= 2


def test_red_stays_red_on_the_way_to_a_model() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    decoded = decode_detector_request(encode_detector_request(DetectorRequest("r", red)))
    assert decoded.image[8, 8].tolist() == pytest.approx([255, 0, 0], abs=6)


@given(boxes(), st.none() | points, echoes)
def test_a_segmenters_request_keeps_its_box_point_and_echo(box: Box, point: Point | None, echo: Echo) -> None:
    request = SegmenterRequest(even_grey(8, 6, 90), box, point, echo)
    (decoded,), is_list = decode_segmenter_requests(encode_segmenter_request(request))
    assert (decoded.box, decoded.point, decoded.echo, is_list) == (box, point, echo, False)


@given(st.lists(echoes, max_size=4), st.booleans())
def test_a_list_of_requests_is_taken_as_strings_or_objects_in_order(asked: list[Echo], as_strings: bool) -> None:  # noqa: FBT001
    texts = [
        encode_segmenter_request(SegmenterRequest(even_grey(4, 4, 9), Box(0, 0, 4, 4), None, echo)) for echo in asked
    ]
    body = json.dumps(texts if as_strings else [json.loads(text) for text in texts])
    decoded, is_list = decode_segmenter_requests(body)
    assert is_list
    assert [request.echo for request in decoded] == asked


@given(st.lists(st.tuples(masks, echoes), max_size=4), st.booleans())
def test_replies_come_back_in_order_from_strings_or_objects(parts: list[tuple[Mask, Echo]], as_strings: bool) -> None:  # noqa: FBT001
    texts = [encode_segmenter_reply(SegmenterReply(mask, echo)) for mask, echo in parts]
    decoded = decode_segmenter_replies(json.dumps(texts if as_strings else [json.loads(text) for text in texts]))
    assert [reply.echo for reply in decoded] == [echo for _, echo in parts]
    assert all(np.array_equal(reply.mask, mask) for reply, (mask, _) in zip(decoded, parts, strict=True))


@given(words, words)
def test_a_models_error_is_never_taken_for_a_reply(code: str, message: str) -> None:
    text = encode_error(code, message)
    with pytest.raises(ReplyInvalid):
        decode_detector_reply(text)
    with pytest.raises(ReplyInvalid):
        decode_segmenter_replies(json.dumps([text]))


DECODERS: list[tuple[Callable[[str], object], type[Exception]]] = [
    (decode_detector_request, RequestInvalid),
    (decode_segmenter_requests, RequestInvalid),
    (decode_detector_reply, ReplyInvalid),
    (decode_segmenter_replies, ReplyInvalid),
]


@pytest.mark.parametrize(("decode", "refusal"), DECODERS)
@given(text=st.text() | json_values.map(json.dumps))
def test_rubbish_is_refused_and_nothing_else_happens(
    decode: Callable[[str], object], refusal: type[Exception], text: str
) -> None:
    assume(text.strip() != "[]")  # no objects: a request, or a reply, of its own
    with pytest.raises(refusal):
        decode(text)


@given(data=st.data())
def test_a_reply_with_one_garbled_field_is_refused_or_read(data: st.DataObject) -> None:
    find = Find(Box(0, 0, 1, 1), "carrot", 0.5)
    body = json.loads(encode_detector_reply(DetectorReply("r", 4, 4, (find,))))
    holder = data.draw(st.sampled_from([body, body["finds"][0]]))
    holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(json_values)
    with contextlib.suppress(ReplyInvalid):
        assert isinstance(decode_detector_reply(json.dumps(body)), DetectorReply)


@pytest.mark.parametrize(("decode", "refusal"), DECODERS)
def test_endless_nesting_is_refused(decode: Callable[[str], Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal, match="Not JSON"):
        decode("[" * 100_000)


@pytest.mark.parametrize("body", [bomb(5001, 1), lying(bomb(9, 9), 65_535, 65_535), scan_bomb(100, side=64), b"GIF89a"])
def test_a_picture_that_would_unpack_to_too_much_is_refused_by_its_header(body: bytes) -> None:
    with pytest.raises(ReplyInvalid):
        mask_from_base64(base64.b64encode(body).decode())


def test_a_refusal_quotes_no_more_than_a_line() -> None:
    with pytest.raises(ReplyInvalid) as refused:
        decode_detector_reply(encode_error("x", "\ud800" * 100_000))
    assert len(str(refused.value)) < 600
    assert str(refused.value).encode()
