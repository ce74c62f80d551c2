"""Which finds are worth showing."""

import numpy as np
import pytest

from training.precision import Tally
from training.threshold import LEAST, MOST, USUAL, best_threshold


def photo(right: list[float], wrong: list[float], objects: int) -> Tally:
    """Of scores of finds that are right and that are wrong."""
    is_right = np.array([True] * len(right) + [False] * len(wrong), np.bool_)
    return Tally(np.array([*right, *wrong], np.float64), is_right, objects)


def test_the_threshold_lies_between_wrong_and_right_finds() -> None:
    assert 0.3 < best_threshold([photo([0.5, 0.9], [0.25, 0.3], 2)] * 30) < 0.5


@pytest.mark.parametrize(("photos", "bound"), [(photo([0.3], [], 1), LEAST), (photo([0.9], [0.58], 1), MOST)])
def test_the_threshold_stays_within_bounds(photos: Tally, bound: float) -> None:
    assert best_threshold([photos] * 60) == pytest.approx(bound, abs=0.05)


@pytest.mark.parametrize("photos", [[photo([0.9], [0.5], 1)] * 20, [photo([0.05], [], 1)] * 60])
def test_where_few_objects_can_tell_the_usual_threshold_stands(photos: list[Tally]) -> None:
    assert best_threshold(photos) == USUAL
