import io
import json
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags
from PIL import Image as Pillow

from loc360.wire import Image, decode_detector_request, decode_segmenter_requests
from serving.contents import JSON, MAX_SIDE_PX, NPY, Refused, wire_body

PHOTO: Image = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)


def packed(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def npy(pixels: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, pixels)
    return file.getvalue()


def shown(body: bytes, content_type: str) -> Image:
    """What the detector sees of it."""
    wired, wired_type = wire_body(body, content_type, "", "detector")
    assert wired_type == JSON
    request = decode_detector_request(wired)
    assert request.release == ""
    return request.image


def refusal(body: bytes, content_type: str, attributes: str = "", role: str = "segmenter") -> tuple[HTTPStatus, str]:
    with pytest.raises(Refused) as caught:
        wire_body(body, content_type, attributes, role)
    return caught.value.status, str(caught.value)


def test_json_passes_as_it_is() -> None:
    assert wire_body(b'{"a": 1}', "application/json; charset=utf-8", "", "detector")[0] == b'{"a": 1}'


@pytest.mark.parametrize("body", [npy(PHOTO), npy(np.asfortranarray(PHOTO))])
def test_an_array_is_a_photo(body: bytes) -> None:
    assert np.array_equal(shown(body, NPY), PHOTO)


def test_a_png_and_a_jpeg_arrive_as_they_were_sent() -> None:
    picture = Pillow.fromarray(PHOTO)
    assert np.array_equal(shown(packed(picture, "PNG"), "image/png"), PHOTO)
    jpeg = packed(picture, "JPEG")
    assert np.array_equal(shown(jpeg, "image/jpeg; quality=high"), np.asarray(Pillow.open(io.BytesIO(jpeg))))


def test_a_photo_is_turned_upright() -> None:
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = 6
    sideways = Pillow.fromarray(np.rot90(PHOTO).copy())
    assert np.array_equal(shown(packed(sideways, "PNG", exif=exif), "image/png"), PHOTO)


def test_transparency_is_put_on_white_and_sixteen_bits_become_eight() -> None:
    clear = Pillow.fromarray(np.zeros((4, 5, 4), np.uint8))
    assert (shown(packed(clear, "PNG"), "image/png") == 255).all()
    grey = Pillow.fromarray(np.full((4, 5), 257 * 40, np.uint16))
    assert (shown(packed(grey, "PNG"), "image/png") == 40).all()


def test_the_segmenter_is_asked_about_the_whole_photo_or_a_box_of_it() -> None:
    for attributes, box in (("", (0, 0, 40, 30)), ("trace_id=a;box=1,2.5,20,30", (1, 2.5, 20, 30))):
        (request,), is_list = decode_segmenter_requests(wire_body(npy(PHOTO), NPY, attributes, "segmenter")[0])
        assert (request.box, request.echo.box, request.echo.crop) == (box, box, (0, 0, 40, 30))
        assert (request.echo.release, request.echo.index, request.echo.count, is_list) == ("", 0, 1, False)


@pytest.mark.parametrize("box", ["", "1,2,3", "a,b,c,d", "nan,0,1,1", "5,5,5,9", "-1,0,9,9", "0,0,41,30"])
def test_a_box_that_is_none_is_refused(box: str) -> None:
    status, message = refusal(npy(PHOTO), NPY, f"box={box}")
    assert status == HTTPStatus.BAD_REQUEST
    assert "box" in message


@pytest.mark.parametrize("content_type", ["", "text/csv", "image/tiff", "application/octet-stream"])
def test_other_content_types_are_refused_with_those_that_are_taken(content_type: str) -> None:
    status, message = refusal(b"", content_type)
    assert status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert message.startswith("Send application/json, image/jpeg, image/png or application/x-npy")


def test_what_models_of_other_roles_take_only_their_code_knows() -> None:
    assert wire_body(b"a,b\xff", "text/csv", "", "unknown") == (b"a,b\xff", "text/csv")


@pytest.mark.parametrize(
    "pixels",
    [PHOTO[..., 0], PHOTO.astype(float), PHOTO[:0], np.zeros((1, MAX_SIDE_PX + 1, 3), np.uint8), [["a"]]],
    ids=["grey", "float", "empty", "too wide", "text"],
)
def test_an_array_that_is_no_photo_is_refused(pixels: Any) -> None:
    assert refusal(npy(pixels), NPY)[0] == HTTPStatus.BAD_REQUEST


def test_an_array_that_announces_more_than_it_holds_is_refused() -> None:
    assert refusal(npy(np.zeros((4000, 4000, 3), np.uint8))[:1000], NPY)[0] == HTTPStatus.BAD_REQUEST


def test_pickled_objects_are_refused_unread() -> None:
    assert refusal(npy(np.array([{"a": 1}], object)), NPY)[0] == HTTPStatus.BAD_REQUEST


def test_a_picture_that_is_too_large_or_of_another_kind_is_refused() -> None:
    wide = packed(Pillow.new("L", (MAX_SIDE_PX + 1, 1)), "PNG")
    assert "over 5000" in refusal(wide, "image/png")[1]
    assert refusal(packed(Pillow.fromarray(PHOTO), "PNG"), "image/jpeg")[0] == HTTPStatus.BAD_REQUEST


def test_a_body_that_is_no_text_is_no_json() -> None:
    assert refusal(b"\xff\xfe", JSON) == (HTTPStatus.BAD_REQUEST, "The body is not UTF-8.")


@given(
    st.sampled_from(["image/jpeg", "image/png", NPY]),
    st.sampled_from([packed(Pillow.fromarray(PHOTO), "PNG"), packed(Pillow.fromarray(PHOTO), "JPEG"), npy(PHOTO)]),
    st.integers(0, 3000),
    st.binary(max_size=20),
)
@settings(deadline=None)
def test_torn_bodies_are_refused_or_read(content_type: str, body: bytes, at: int, garbage: bytes) -> None:
    with suppress(Refused):
        wired, _ = wire_body(body[:at] + garbage + body[at + len(garbage) :], content_type, "", "segmenter")
        assert json.loads(wired)["image"]
