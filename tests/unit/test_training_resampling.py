"""How sure the scores are: intervals and gains by drawing photos again."""

import time

import numpy as np
import pytest

from tests.unit.scored_photos import find, photos, some_photo, true
from training.evaluation.resampling import bounds, students_t
from training.evaluation.scores import chain_scores, gain, intervals


def test_a_chain_against_itself_gains_nothing() -> None:
    same = photos(*(some_photo(seed) for seed in range(5)))
    assert {(item.mean, item.low, item.high) for item in gain(same, same, resamples=50).values()} == {(0, 0, 0)}


def test_a_candidate_that_is_better_on_every_photo_gains_surely() -> None:
    truths = [some_photo(seed)[0] for seed in range(8)]
    all_found = photos(*((truth, [find(item.box_px.x0, 0.9, item.label) for item in truth]) for truth in truths))
    nothing_found = photos(*((truth, []) for truth in truths))
    quality = gain(all_found, nothing_found)["quality"]
    assert (quality.mean, quality.low, quality.high) == (1, 1, 1)


def test_gain_is_paired_by_photo() -> None:
    """Photos differ much, the chains only a little, and always the same way."""
    live = photos(*(([true(x) for x in range(0, 500, 50)], [find(50 * i, 0.9) for i in range(n)]) for n in range(9)))
    better = photos(
        *(([true(x) for x in range(0, 500, 50)], [find(50 * i, 0.9) for i in range(n + 1)]) for n in range(9))
    )
    difference, alone = gain(better, live)["quality"], intervals(live)["quality"]
    assert 0 < difference.low <= difference.mean <= difference.high
    assert difference.high - difference.low < (alone.high - alone.low) / 2


def test_photos_of_a_group_are_drawn_together() -> None:
    """Twice the same photos tell no more than once."""
    some = photos(*(some_photo(seed) for seed in range(8)))
    names = [str(index) for index in range(8)]
    alone, twice = intervals(some)["quality"], intervals([*some, *some], [*names, *names])["quality"]
    assert twice == pytest.approx(alone)
    assert intervals([*some, *some])["quality"].low > alone.low


def test_one_witness_tells_nothing() -> None:
    """Of groups with an object; empty photos don't count."""
    some = photos(some_photo(1), some_photo(2), ([], []))
    groups = ["a", "a", "b"]
    quality = gain(some, some, groups)["quality"]
    assert (quality.low, quality.high) == (-1, 1)
    assert "length_median_error_mm" not in gain(some, some, groups)
    assert intervals(some, groups) == {}


def test_few_photos_make_wide_bounds() -> None:
    values = np.linspace(-0.1, 0.3, 1001)
    of_few, of_many = (bounds(0.1, values, groups, (-1.0, 1.0)) for groups in (4, 10_000))
    assert of_many == pytest.approx(np.percentile(values, (2.5, 97.5)), abs=1e-4)
    assert of_few == pytest.approx((0.1 - 0.19 * 1.875, 0.1 + 0.19 * 1.875), abs=1e-3)


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.706), (3, 3.182), (5, 2.571), (9, 2.262), (30, 2.042)])
def test_students_t_is_that_of_the_tables(freedom: int, t: float) -> None:
    assert students_t(freedom) == pytest.approx(t, rel=2e-3)


def test_gain_wants_the_same_photos() -> None:
    with pytest.raises(ValueError, match="Not the same photos: 1 and 0"):
        gain(photos(([], [])), [])


def test_intervals_are_the_same_each_time_and_hold_the_figure() -> None:
    some = photos(*(some_photo(seed) for seed in range(12)))
    first, scores = intervals(some, resamples=200), chain_scores(some)
    assert first == intervals(some, resamples=200) != intervals(some, resamples=200, seed=1)
    assert scores.quality is not None
    assert first["quality"].low < scores.quality < first["quality"].high


def test_a_resample_is_scored_like_the_photos_it_holds() -> None:
    from training.evaluation.figures import figures

    some = photos(*(some_photo(seed) for seed in range(6)))
    weights = np.random.default_rng(3).multinomial(6, [1 / 6] * 6, 20)
    at_once = figures(some, weights.astype(np.float64))
    for row, times in enumerate(weights):
        one = chain_scores([photo for photo, count in zip(some, times, strict=True) for _ in range(count)])
        for name, values in at_once.items():
            assert values[row] == pytest.approx(getattr(one, name) or 0, nan_ok=True) or np.isnan(values[row])


def test_a_thousand_resamples_take_less_than_three_seconds() -> None:
    some = photos(*(some_photo(seed, objects=10) for seed in range(20)))
    started_s = time.process_time()
    gain(some, some)
    assert time.process_time() - started_s < 3
