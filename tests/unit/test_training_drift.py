import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.archives.drift import EDGES, looks, seen, stability_index, statistics


def photos(light: float, count: int = 40) -> list[dict[str, float]]:
    rng = np.random.default_rng(0)
    return [
        seen(np.clip(rng.normal(light, 40, (48, 64, 3)), 0, 255).astype(np.uint8), 1600, 1200, int(rng.integers(9)))
        for _ in range(count)
    ]


def test_a_photo_is_told_by_its_light_colour_and_sharpness() -> None:
    white, red = np.full((40, 60, 3), 255, np.uint8), np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 128
    assert looks(white) == pytest.approx({"brightness": 1.0, "saturation": 0.0, "sharpness": -8.0})
    assert looks(red) == pytest.approx({"brightness": 128 / 255, "saturation": 1.0, "sharpness": -8.0})


def test_a_blurred_photo_is_less_sharp() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    blurred = np.repeat(np.repeat(noise[::8, ::8], 8, axis=0), 8, axis=1)
    assert looks(blurred)["sharpness"] < looks(noise)["sharpness"]


def test_the_same_photos_have_not_drifted_and_darker_ones_have() -> None:
    reference = statistics(photos(150))
    assert max(stability_index(reference, statistics(photos(150))).values()) == 0
    drifted = stability_index(reference, statistics(photos(60)))
    assert drifted["brightness"] > 0.25
    assert drifted["long_side_px"] == drifted["objects"] == 0


def test_the_statistics_are_small_and_plain() -> None:
    told = statistics(photos(100))
    assert told.keys() == EDGES.keys()
    assert len(json.dumps(told)) < 2000
    assert sum(told["brightness"]["counts"]) == 40


def test_what_only_one_side_knows_is_not_compared() -> None:
    requests = statistics([looks(np.zeros((20, 20, 3), np.uint8))])
    assert stability_index(statistics(photos(100)), requests).keys() == {"brightness", "saturation", "sharpness"}


@given(st.integers(1, 900), st.integers(1, 900))
def test_a_photo_of_any_size_can_be_looked_at(height: int, width: int) -> None:
    assert all(np.isfinite(value) for value in looks(np.full((height, width, 3), 7, np.uint8)).values())
