"""Which finds are worth showing."""

import numpy as np
import pytest

from training.precision import Tally
from training.threshold import LEAST, MOST, best_threshold


def photo(right: list[float], wrong: list[float], objects: int) -> Tally:
    """Of scores of finds that are right and that are wrong."""
    is_right = np.array([True] * len(right) + [False] * len(wrong), np.bool_)
    return Tally(np.array([*right, *wrong], np.float64), is_right, objects)


def test_the_threshold_lies_between_wrong_and_right_finds() -> None:
    threshold = best_threshold([photo([0.5, 0.9], [0.25, 0.3], 2)] * 3)
    assert threshold is not None
    assert 0.3 < threshold < 0.5


@pytest.mark.parametrize(("photos", "bound"), [(photo([0.05], [], 1), None), (photo([0.3], [], 1), LEAST),
                                               (photo([0.9], [0.7] * 9, 1), MOST)])  # fmt: skip
def test_the_threshold_stays_within_bounds(photos: Tally, bound: float | None) -> None:
    threshold = best_threshold([photos] * 3)
    assert threshold is None if bound is None else threshold is not None and LEAST <= threshold <= MOST


def test_few_photos_and_photos_without_objects_tell_nothing() -> None:
    assert best_threshold([photo([0.5], [], 1)] * 2) is None
    assert best_threshold([photo([], [0.3], 0)] * 3) is None
