"""What the scores say of a chain. `T` boxes are 10 x 10 squares in a row, so that every overlap is known by hand."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc360.wire import Box
from training.masks import PlacedMask
from training.resampling import bounds, students_t
from training.scores import Comparison, Found, Truth, chain_scores, compared, gain, intervals

Photo = tuple[list[Truth], list[Found]]


def square(x: float, y: float = 0, side: float = 10) -> Box:
    return Box(x, y, x + side, y + side)


def filled(x: int, y: int = 0, side: int = 10) -> PlacedMask:
    return PlacedMask(np.ones((side, side), np.bool_), (x, y))


def true(x: int, label: str | None = "carrot", *, masked: bool = False, length_mm: float | None = None) -> Truth:
    return Truth(label, square(x), filled(x) if masked else None, length_mm, length_mm)


def find(x: float, score: float, label: str | None = "carrot", *, length_mm: float | None = None) -> Found:
    return Found(label, square(x), score, filled(round(x)), length_mm, length_mm)


def photos(*pairs: Photo) -> list[Comparison]:
    return [compared(*pair) for pair in pairs]


def box_ap50(*pairs: Photo) -> float | None:
    return chain_scores(photos(*pairs)).box_ap50


def test_finding_everything_is_worth_one() -> None:
    scores = chain_scores(photos(([true(0, masked=True), true(50, masked=True)], [find(0, 0.9), find(50, 0.1)])))
    assert (scores.quality, scores.box_ap50, scores.mask_ap50, scores.mean_iou) == (1, 1, 1, 1)
    assert (scores.missed, scores.extra, scores.wrong_label) == (0, 0, 0)


def test_precision_is_read_at_101_recalls() -> None:
    """Right, wrong, right of two: precision 1 up to recall 0.5 (51 thresholds), then 2/3 (50 thresholds)."""
    pair = ([true(0), true(50)], [find(0, 0.9), find(200, 0.8), find(50, 0.7)])
    assert box_ap50(pair) == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_a_missed_object_cuts_recall_off() -> None:
    assert box_ap50(([true(0), true(50), true(100)], [find(0, 0.9)])) == pytest.approx(34 / 101)


def test_a_second_find_on_an_object_is_wrong() -> None:
    pair = ([true(0), true(50)], [find(0, 0.9), find(1, 0.8), find(50, 0.7)])
    assert box_ap50(pair) == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert chain_scores(photos(pair)).extra == 1


def test_the_surest_find_takes_the_object_it_overlaps_most() -> None:
    """x=2 fits the object at 0 best; the less sure find at 0 is left with the one at 5, of which it covers less."""
    scores = chain_scores(photos(([true(0), true(5)], [find(2, 0.9), find(0, 0.8)])))
    assert (scores.missed, scores.extra) == (1, 1)


def test_a_find_at_exactly_half_overlap_counts() -> None:
    assert box_ap50(([Truth("carrot", Box(0, 0, 10, 10))], [Found("carrot", Box(0, 0, 10, 5), 0.9)])) == 1


def test_the_mean_is_over_labels_that_the_truth_holds() -> None:
    pair = ([true(0), true(50, "tomato")], [find(0, 0.9), find(90, 0.8, "pepper")])
    scores = chain_scores(photos(pair))
    assert scores.box_ap50 == 0.5
    assert scores.box_ap50_by_label == {"carrot": 1, "tomato": 0}


def test_a_wrong_label_is_wrong_only_where_labels_count() -> None:
    scores = chain_scores(photos(([true(0)], [find(0, 0.9, "tomato")])))
    assert (scores.box_ap50, scores.box_ap50_any_label, scores.wrong_label) == (0, 1, 1)


def test_a_find_on_an_object_without_label_is_neither_right_nor_wrong_where_labels_count() -> None:
    truth = [true(0), true(50, None)]
    with_it, without_it = [find(50, 0.9, "tomato"), find(50, 0.9), find(0, 0.8)][1:], [find(0, 0.8)]
    assert box_ap50((truth, with_it)) == box_ap50((truth, without_it)) == 1
    assert chain_scores(photos((truth, without_it))).box_ap50_any_label == pytest.approx(51 / 101)
    assert chain_scores(photos((truth, with_it))).wrong_label == 0


def test_without_any_label_in_the_truth_labels_do_not_count() -> None:
    scores = chain_scores(photos(([true(0, None), true(50, None)], [find(0, 0.9), find(50, 0.8, "tomato")])))
    assert scores.box_ap50 == scores.box_ap50_pooled == scores.quality == 1


def test_labels_are_the_same_whatever_their_case_and_spaces() -> None:
    scores = chain_scores(photos(([true(0, "Sugar beet")], [find(0, 0.9, "sugar_beet")])))
    assert (scores.box_ap50, scores.box_ap50_pooled, scores.wrong_label) == (1, 1, 0)


def test_the_pooled_precision_is_of_one_curve_over_all_labels() -> None:
    """Right, wrong label, right of three: precision 1 up to recall 1/3 (34 thresholds), then 2/3 up to 2/3 (33)."""
    truth = [true(0), true(50, "tomato"), true(100, "pepper")]
    found = [find(0, 0.9), find(50, 0.8), find(100, 0.7, "pepper")]
    assert chain_scores(photos((truth, found))).box_ap50_pooled == pytest.approx((34 + 33 * 2 / 3) / 101)


def test_an_invented_label_costs_quality_though_cocos_mean_does_not_see_it() -> None:
    scores = chain_scores(photos(([true(0)], [find(50, 0.95, "pepper"), find(0, 0.9)])))
    assert (scores.box_ap50, scores.box_ap50_pooled, scores.quality) == (1, 0.5, 0.5)


def test_an_object_without_mask_is_left_aside_by_the_mask_figures() -> None:
    scores = chain_scores(photos(([true(0, masked=True), true(50)], [find(50, 0.9), find(0, 0.8)])))
    assert scores.mask_ap50 == 1


def test_without_masks_in_the_truth_quality_is_that_of_the_boxes() -> None:
    scores = chain_scores(photos(([true(0), true(50)], [find(0, 0.9)])))
    assert scores.mask_ap50 is None
    assert scores.quality == scores.box_ap50_pooled


def test_a_right_box_with_a_wrong_mask_loses_half_the_quality() -> None:
    wrong = replace(find(0, 0.9), mask=PlacedMask(np.ones((3, 3), np.bool_), (0, 0)))
    assert chain_scores(photos(([true(0, masked=True)], [wrong]))).quality == 0.5
    assert chain_scores(photos(([true(0, masked=True)], [replace(wrong, mask=None)]))).quality == 0.5


def test_mean_iou_counts_a_missed_object_as_nothing() -> None:
    scores = chain_scores(photos(([true(0), true(50)], [Found("carrot", Box(0, 0, 10, 6), 0.9)])))
    assert scores.mean_iou == pytest.approx(0.3)


def test_mean_iou_is_of_masks_where_there_are_masks() -> None:
    half = replace(find(0, 0.9), mask=PlacedMask(np.ones((5, 10), np.bool_), (0, 0)))
    assert chain_scores(photos(([true(0, masked=True)], [half]))).mean_iou == 0.5


def test_size_errors_are_of_objects_with_a_find_on_them() -> None:
    truth = [true(x, length_mm=100) for x in (0, 50, 100, 150)] + [true(200)]
    found = [find(0, 0.9, length_mm=101), find(50, 0.9, length_mm=95), find(100, 0.9, length_mm=90),
             find(300, 0.9, length_mm=7), find(200, 0.9, length_mm=7)]  # fmt: skip
    scores = chain_scores(photos((truth, found)))
    assert scores.length_median_error_mm == 5
    assert scores.length_mean_error_mm == pytest.approx(16 / 3)
    assert scores.width_mean_error_mm == scores.length_mean_error_mm


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    truth = [true(0, length_mm=100), true(50, length_mm=100)]
    found = [find(0, 0.9, length_mm=101), find(50, 0.9, length_mm=96)]
    assert chain_scores(photos((truth, found))).length_median_error_mm == 2.5


def test_photos_that_tell_nothing_are_not_scored() -> None:
    for nothing in ([], photos(([], [find(0, 0.9)]))):
        scores = chain_scores(nothing)
        assert scores.quality is scores.mean_iou is scores.mask_ap50 is scores.length_median_error_mm is None
        assert intervals(nothing) == gain(nothing, nothing) == {}


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
    from training.figures import figures

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


def some_photo(seed: int, objects: int | None = None) -> Photo:
    """Objects of three kinds; most found, some twice, with scores that know a little."""
    rng = np.random.default_rng(seed)
    kinds = ["carrot", "tomato", "pepper"]
    truth = [
        true(50 * i, str(rng.choice(kinds)), masked=True, length_mm=float(rng.uniform(20, 90)))
        for i in range(objects or int(rng.integers(1, 8)))
    ]
    found = [
        find(item.box_px.x0 + float(rng.uniform(0, 5)), float(rng.random()),
             item.label if rng.random() < 0.8 else str(rng.choice(kinds)), length_mm=float(rng.uniform(20, 90)))
        for item in truth
        for _ in range(int(rng.integers(0, 3)))
    ]  # fmt: skip
    return truth, [*found, find(900, float(rng.random()))]


seeds = st.lists(st.integers(0, 10_000), min_size=1, max_size=6)
quickly = settings(deadline=None, max_examples=40)


@quickly
@given(seeds, st.randoms())
def test_the_order_of_photos_and_finds_changes_nothing(chosen: Sequence[int], random: object) -> None:
    pairs = [some_photo(seed) for seed in chosen]
    mixed = [(truth, random.sample(found, len(found))) for truth, found in pairs]  # type: ignore[attr-defined]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = chain_scores(photos(*pairs)), chain_scores(photos(*mixed))
    assert one.quality == pytest.approx(other.quality)
    assert (one.missed, one.extra, one.wrong_label) == (other.missed, other.extra, other.wrong_label)


@quickly
@given(seeds)
def test_scores_matter_only_by_their_order(chosen: Sequence[int]) -> None:
    pairs = [some_photo(seed) for seed in chosen]
    bent = [(truth, [replace(item, score=item.score**3 / 2 - 1) for item in found]) for truth, found in pairs]
    assert chain_scores(photos(*pairs)) == chain_scores(photos(*bent))


@quickly
@given(seeds)
def test_figures_lie_between_none_and_all(chosen: Sequence[int]) -> None:
    scores = chain_scores(photos(*(some_photo(seed) for seed in chosen)))
    for value in (scores.quality, scores.box_ap50, scores.box_ap50_any_label, scores.mask_ap50, scores.mean_iou):
        assert value is not None
        assert 0 <= value <= 1
    assert scores.objects - scores.missed == scores.found - scores.extra


@quickly
@given(seeds)
def test_an_extra_find_never_helps(chosen: Sequence[int]) -> None:
    pairs = [some_photo(seed) for seed in chosen]
    more = [(truth, [*found, find(1500, 0.99, "carrot"), find(1500, 0.99, "tomato")]) for truth, found in pairs]
    one, other = chain_scores(photos(*pairs)), chain_scores(photos(*more))
    assert one.quality is not None
    assert other.quality is not None
    assert other.quality <= one.quality


@quickly
@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=6, unique=True))
def test_finds_held_against_another_photos_truth_are_worth_less(chosen: Sequence[int]) -> None:
    """Each photo's objects lie elsewhere: 1000 px apart."""
    truths = [
        [replace(item, box_px=square(item.box_px.x0 + 1000 * i), mask=None) for item in some_photo(seed)[0]]
        for i, seed in enumerate(chosen)
    ]
    finds = [[find(item.box_px.x0, 0.9, item.label) for item in truth] for truth in truths]
    assert box_ap50(*zip(truths, finds, strict=True)) == 1
    assert box_ap50(*zip(truths, finds[1:] + finds[:1], strict=True)) == 0
