"""What the scores say of a chain. `T` boxes are 10 x 10 squares in a row, so that every overlap is known by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc360.wire import Box
from tests.unit.scored_photos import Photo, find, photos, some_photo, square, true
from training.evaluation.scores import Found, Truth, chain_scores, gain, intervals
from training.masks import PlacedMask

seeds = st.lists(st.integers(0, 10_000), min_size=1, max_size=6)
quickly = settings(deadline=None, max_examples=40)


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
    assert scores.length_median_error_share == pytest.approx(0.05)
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
