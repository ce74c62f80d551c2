import sys
import time
import tracemalloc

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


def striped(height_px, width_px):
    """More than is read or packed at once: columns of one pixel, a strip from top to bottom, noise."""
    mask = np.zeros((height_px, width_px), np.bool_)
    mask[height_px // 2 :, 1:100:3] = True
    mask[:, -50:] = True
    mask[:100, :200] = np.random.default_rng(3).random((100, 200)) > 0.5
    return mask


@pytest.mark.parametrize(
    ("mask", "origin_px"),
    [
        (striped(1400, 900), (0, 0)),
        (striped(1400, 500), (400, 0)),
        (striped(1200, 400), (37, 101)),
        (striped(900, 1000), (-60, 600)),
        (np.indices((12, 899)).sum(axis=0) % 2 == 0, (1, 1388)),
    ],
    ids=["whole photo", "right edge", "within", "over three edges", "to the last pixel"],
)
def test_a_large_mask_is_written_as_the_sdk_writes_it(mask, origin_px):
    width_px, height_px = 900, 1400
    photo = np.zeros((height_px + 2000, width_px + 2000), np.bool_)
    x, y = origin_px[0] + 1000, origin_px[1] + 1000
    photo[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    photo = photo[1000 : 1000 + height_px, 1000 : 1000 + width_px]

    rle = encode_brush(mask, origin_px, width_px, height_px)
    decoded, (x, y) = decode_brush(rle, width_px, height_px)

    assert rle == mask2rle(photo.astype(np.uint8) * 255)
    assert np.array_equal(photo[y : y + decoded.shape[0], x : x + decoded.shape[1]], decoded)
    assert photo.sum() == decoded.sum()


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


def test_many_words_as_they_are_are_read_as_the_sdk_reads_them():
    words = np.random.default_rng(5).integers(0, 256, 60_000)
    header = f"{len(words):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    bits = f"{header}011{len(words) - 1:016b}" + "".join(f"{word:08b}" for word in words) + "0" * 8
    rle = list(int(bits, 2).to_bytes(len(bits) // 8))

    decoded, at = decode_brush(rle, 150, 100)

    assert np.array_equal(on_photo(decoded, at, 150, 100).ravel(), decode_rle(rle)[3::4] > 127)


@pytest.mark.parametrize("mask", [np.ones((1500, 2000), bool), striped(1500, 2000)], ids=["full", "striped"])
def test_neither_way_holds_a_second_mask_of_the_photo(mask):
    tracemalloc.start()
    rle = encode_brush(mask, (0, 0), 2000, 1500)
    encoding_bytes = tracemalloc.get_traced_memory()[1] - sys.getsizeof(rle)
    tracemalloc.reset_peak()
    decode_brush(rle, 2000, 1500)
    decoding_bytes = tracemalloc.get_traced_memory()[1] - sys.getsizeof(rle)
    tracemalloc.stop()

    assert encoding_bytes < 1.2 * mask.nbytes
    assert decoding_bytes < 2 * mask.nbytes


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
