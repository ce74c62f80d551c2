import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_studio_sdk.converter.brush import decode_rle, mask2rle

from phenoloop.errors import TaskInvalid
from phenoloop.labelling.brush import decode_brush, encode_brush

masks = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda shape: arrays(np.bool_, shape))
origins = st.tuples(st.integers(-8, 30), st.integers(-8, 30))


def on_photo(mask, origin_px, width_px, height_px):
    """The mask painted pixel by pixel, as plainly as can be."""
    photo = np.zeros((height_px, width_px), np.bool_)
    for row, column in np.argwhere(mask):
        x, y = origin_px[0] + column, origin_px[1] + row
        if 0 <= x < width_px and 0 <= y < height_px:
            photo[y, x] = True
    return photo


@settings(deadline=None)
@given(mask=masks, origin_px=origins, width_px=st.integers(1, 50), height_px=st.integers(1, 50))
def test_a_mask_is_written_as_the_sdk_writes_it(mask, origin_px, width_px, height_px):
    photo = on_photo(mask, origin_px, width_px, height_px)

    assert encode_brush(mask, origin_px, width_px, height_px) == mask2rle(photo.astype(np.uint8) * 255)


@settings(deadline=None)
@given(mask=masks, origin_px=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_a_mask_comes_back_pixel_for_pixel(mask, origin_px):
    decoded, at = decode_brush(encode_brush(mask, origin_px, 60, 60), 60, 60)

    assert np.array_equal(on_photo(decoded, at, 60, 60), on_photo(mask, origin_px, 60, 60))
    assert decoded.size == 0 or (decoded.any(axis=0)[[0, -1]].all() and decoded.any(axis=1)[[0, -1]].all())


@st.composite
def packed_runs(draw):
    """A stream as the editor packs it, words as they are among them, and the words."""
    sizes = draw(st.lists(st.integers(2, 16), min_size=4, max_size=4))
    bits, words = "".join(f"{size - 1:04b}" for size in sizes), []
    for _ in range(draw(st.integers(1, 12))):
        form, is_repeated = draw(st.integers(0, 3)), draw(st.booleans())
        length = draw(st.integers(1, min(1 << sizes[form], 40)))
        run = draw(
            st.lists(st.integers(0, 255), min_size=1 if is_repeated else length, max_size=1 if is_repeated else length)
        )
        bits += f"{is_repeated:b}{form:02b}{length - 1:0{sizes[form]}b}" + "".join(f"{word:08b}" for word in run)
        words += run * length if is_repeated else run
    while len(words) % 4:
        bits += f"000{0:0{sizes[0]}b}{255:08b}"
        words.append(255)
    bits = f"{len(words):032b}{7:05b}{bits}"
    return list(int(bits + "0" * (-len(bits) % 8), 2).to_bytes((len(bits) + 7) // 8, "big")), words


@settings(deadline=None)
@given(packed_runs())
def test_a_mask_is_read_as_the_sdk_reads_it(packed):
    rle, words = packed
    assert decode_rle(rle).tolist() == words
    decoded, at = decode_brush(rle, len(words) // 4, 1)

    assert np.array_equal(on_photo(decoded, at, len(words) // 4, 1)[0], np.array(words[3::4]) > 127)


def test_noise_costs_a_microsecond_a_pixel():
    side_px = 300
    noise = np.random.default_rng(1).random((side_px, side_px)) > 0.5
    rle = encode_brush(noise, (0, 0), side_px, side_px)
    started_s = time.process_time()
    decoded, _ = decode_brush(rle, side_px, side_px)

    assert np.array_equal(decoded, noise)
    assert time.process_time() - started_s < 10e-6 * side_px**2  # ten times that: not every machine is quick


def test_runs_longer_than_a_run_may_be_are_split():
    mask = np.ones((300, 400), np.bool_)
    rle = encode_brush(mask, (0, 0), 400, 300)

    assert rle == mask2rle(mask.astype(np.uint8) * 255)
    assert decode_rle(rle).all()


@pytest.mark.parametrize(
    "rle",
    [
        [],
        [0, 0],
        [0, 0, 0, 80],
        ["a"] * 9,
        encode_brush(np.ones((2, 2), bool), (0, 0), 4, 4),
        10**9,
        "AAAA",
        None,
        [0, 0, 0, 80, 0xFF, *[0xFF] * 99],
        [256] * 9,
    ],
)
def test_bytes_of_no_mask_of_this_photo_are_refused(rle):
    with pytest.raises(TaskInvalid):
        decode_brush(rle, 4, 5)


def test_a_cut_off_mask_is_refused():
    with pytest.raises(TaskInvalid):
        decode_brush(encode_brush(np.eye(20, dtype=bool), (0, 0), 20, 20)[:30], 20, 20)
