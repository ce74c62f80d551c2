import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.facts import (
    EDGES,
    OUTPUTS,
    counted,
    crop_facts,
    find_facts,
    impression_facts,
    looks,
    mask_facts,
    photo_facts,
    statistics,
)


def test_a_photo_is_told_by_its_light_colour_and_sharpness() -> None:
    white, red = np.full((40, 60, 3), 255, np.uint8), np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 128
    assert looks(white) == pytest.approx({"brightness": 1.0, "saturation": 0.0, "sharpness": -8.0})
    assert looks(red) == pytest.approx({"brightness": 128 / 255, "saturation": 1.0, "sharpness": -8.0})


@pytest.mark.parametrize("shape", [(300, 384), (768, 1024), (1000, 1001), (3, 3000), (512, 2)])
def test_a_large_photo_is_told_by_the_means_of_its_blocks(shape: tuple[int, int]) -> None:
    photo = np.random.default_rng(2).integers(0, 255, (*shape, 3)).astype(np.uint8)
    block = max(1, max(shape) // 256)
    down, across = min(block, shape[0]), min(block, shape[1])
    height, width = shape[0] // down, shape[1] // across
    whole = photo[: height * down, : width * across].reshape(height, down, width, across, 3)
    means = whole.mean(axis=(1, 3)) / 255.0
    assert looks(photo)["brightness"] == means.max(axis=2).mean()


def test_a_blurred_photo_is_less_sharp() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    blurred = np.repeat(np.repeat(noise[::8, ::8], 8, axis=0), 8, axis=1)
    assert looks(blurred)["sharpness"] < looks(noise)["sharpness"]


def test_a_photo_also_by_its_form_and_a_crop_not_by_its_sharpness() -> None:
    image = np.zeros((30, 60, 3), np.uint8)
    assert photo_facts(image).items() >= {"aspect": 2.0, "sent_side_px": 60.0}.items()
    assert crop_facts(image).keys() == {"brightness", "saturation"}


def test_what_was_found_is_one_number_a_photo_of_each_kind() -> None:
    boxes = [[0, 0, 10, 10], [0, 0, 20, 20], [0, 0, 40, 40]]
    assert find_facts(boxes, [0.5, 0.6, 1.0], 100, 100) == pytest.approx({"finds": 3, "score": 0.7, "size": 0.2})


def test_where_nothing_was_found_there_is_no_score_and_no_size() -> None:
    assert find_facts([], [], 100, 100) == {"finds": 0}


def test_a_mask_is_told_by_how_much_of_its_box_it_would_fill() -> None:
    mask = np.zeros((20, 20), np.bool_)
    mask[5:10, 5:15] = True
    assert mask_facts(mask, [5, 5, 15, 15]) == {"filled": 0.5}


def test_the_statistics_are_small_and_plain() -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    found = find_facts([[0, 0, 9, 9]], [0.9], 64, 48) | impression_facts([0.1, -2.0, 0.0, 1.3])
    told = statistics([photo_facts(image) | found | {"filled": 0.5}] * 40)
    assert told.keys() == EDGES.keys()
    assert told.keys() > OUTPUTS
    assert len(json.dumps(told)) < 2000
    assert all(sum(of_one["counts"]) == 40 for of_one in told.values())


def test_a_number_counts_only_the_photos_that_have_it() -> None:
    told = statistics([{"finds": 0.0}, {"finds": 2.0, "score": 0.97}])
    assert told.keys() == {"finds", "score"}
    assert (sum(told["finds"]["counts"]), sum(told["score"]["counts"])) == (2, 1)


@given(st.lists(st.floats(allow_nan=False)), st.sets(st.floats(-10, 10), min_size=1))
def test_every_value_falls_into_one_bin(values: list[float], edges: set[float]) -> None:
    counts = counted(values, sorted(edges))
    assert (len(counts), counts.sum()) == (len(edges) + 1, len(values))


@given(st.integers(1, 400), st.integers(1, 400))
@settings(deadline=None)
def test_a_photo_of_any_size_can_be_looked_at(height: int, width: int) -> None:
    assert all(np.isfinite(value) for value in photo_facts(np.full((height, width, 3), 7, np.uint8)).values())
