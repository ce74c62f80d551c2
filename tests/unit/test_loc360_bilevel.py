"""The quick way into 1-bit PNGs against Pillow's: the same pixels, or none."""

import base64
import io
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as Pillow

from loc360.bilevel import bilevel_png
from loc360.pictures import mask_base64, mask_from_base64

masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def by_pillow(data: bytes) -> Any:
    with Pillow.open(io.BytesIO(data)) as picture:
        return np.array(picture.convert("L")) > 127


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def png(rows: bytes, width: int, height: int, *, form: bytes = b"\1\0\0\0\0", more: bytes = b"") -> bytes:
    header = width.to_bytes(4) + height.to_bytes(4) + form
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


@given(masks)
def test_our_own_masks_are_read_the_quick_way(mask: Any) -> None:
    assert np.array_equal(bilevel_png(base64.b64decode(mask_base64(mask)), 40), mask)
    assert np.array_equal(mask_from_base64(mask_base64(mask)), mask)


@given(masks, st.integers(0, 9))
def test_pillows_masks_are_pillows_or_left_to_it(mask: Any, level: int) -> None:
    file = io.BytesIO()
    Pillow.fromarray(mask).save(file, "PNG", compress_level=level)

    read = bilevel_png(file.getvalue(), 40)

    assert read is None or np.array_equal(read, by_pillow(file.getvalue()))


@given(masks, st.data())
def test_a_damaged_mask_is_never_read_the_quick_way(mask: Any, data: st.DataObject) -> None:
    whole = base64.b64decode(mask_base64(mask))
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]

    assert bilevel_png(damaged, 40) is None
    assert bilevel_png(whole[:at], 40) is None
    assert bilevel_png(whole + b"\0" * (at + 1), 40) is None


@pytest.mark.parametrize(
    "data",
    [
        png(b"\0\xff" * 3, 8, 2),  # a row too many
        png(b"\0\xff", 8, 2),  # and one too few
        png(b"\2\xff" * 2, 8, 2),  # filtered by the row above
        png(b"\0\xff" * 2, 8, 2, form=b"\1\0\0\0\1"),  # interlaced
        png(b"\0" + b"\xff" * 8, 8, 1, form=b"\10\0\0\0\0"),  # 8 bits
        png(b"\0\xff" * 2, 8, 2, more=chunk(b"tRNS", b"\0\1")),
        png(b"\0\xff" * 2, 0, 2),
        png(b"\0" + b"\xff" * 6, 48, 1),  # larger than allowed
        png(b"\0" * 10**7, 8, 2),  # a bomb
        b"\x89PNG\r\n\x1a\n",
        b"",
        cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes(),
    ],
)
def test_any_other_form_is_left_to_pillow(data: bytes) -> None:
    assert bilevel_png(data, 40) is None
