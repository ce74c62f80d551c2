"""Whose fault an error is. Boxes are 10 x 10 squares in a row, so that every overlap is known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scored_photos import find, some_photo, true
from training.evaluation.blame import Blame, advice, blamed
from training.evaluation.comparison import Found, Truth
from training.masks import PlacedMask


def errors(truth: list[Truth], asked: list[Found]) -> dict[str, int]:
    blame = blamed(truth, asked)
    return dict(blame.detector + blame.segmenter)


def drawn(rows: int) -> PlacedMask:
    """Of the object at 0, its first rows."""
    return PlacedMask(np.ones((rows, 10), np.bool_), (0, 0))


def test_nobody_is_to_blame_where_all_is_right() -> None:
    assert errors([true(0, masked=True), true(50)], [find(0, 0.9), find(50, 0.8)]) == {}


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ([], "missed"),
        ([find(0, 0.9, "tomato")], "wrong_label"),
        ([find(6, 0.9)], "misplaced"),  # IoU 0.25
        ([find(0, 0.9), find(1, 0.8)], "extra"),
        ([find(0, 0.9), find(80, 0.8)], "extra"),
    ],
)
def test_what_is_wrong_with_boxes_and_labels_is_the_detectors(asked: list[Found], kind: str) -> None:
    blame = blamed([true(0, masked=True)], asked)
    assert (blame.detector, blame.segmenter.total()) == ({kind: 1}, 0)


@pytest.mark.parametrize("mask", [drawn(7), None])
def test_a_bad_mask_in_a_good_box_is_the_segmenters(mask: PlacedMask | None) -> None:
    blame = blamed([true(0, masked=True)], [replace(find(0, 0.9), mask=mask)])
    assert (blame.detector.total(), blame.segmenter) == (0, {"bad_mask": 1})


def test_the_segmenter_does_not_answer_for_boxes_that_do_not_fit() -> None:
    assert errors([true(0, masked=True)], [replace(find(6, 0.9), mask=None)]) == {"misplaced": 1}


def test_an_object_without_mask_says_nothing_of_the_segmenter() -> None:
    assert errors([true(0)], [replace(find(0, 0.9), mask=None)]) == {}


def test_an_object_without_label_goes_with_any() -> None:
    assert errors([true(0, None)], [find(0, 0.9, "tomato")]) == {}


def test_a_find_far_off_is_extra_and_its_object_missed() -> None:
    assert errors([true(0)], [find(9, 0.9)]) == {"extra": 1, "missed": 1}  # IoU 0.05


@given(seed=st.integers(0, 10_000))
def test_each_object_and_each_find_counts_for_one_error_at_most(seed: int) -> None:
    truth, asked = some_photo(seed)
    of = blamed(truth, asked).detector
    assert of["missed"] + of["misplaced"] + of["wrong_label"] <= len(truth)
    assert of["extra"] + of["misplaced"] + of["wrong_label"] <= len(asked)


def blame(detector: int, segmenter: int) -> Blame:
    one = blamed([true(0)], []), blamed([true(0, masked=True)], [replace(find(0, 0.9), mask=None)])
    return sum([one[0]] * detector + [one[1]] * segmenter, Blame())


@pytest.mark.parametrize(
    ("detector", "segmenter", "retrain"),
    [(40, 2, "detector"), (1, 40, "segmenter"), (20, 20, "both"), (3, 0, "both"), (0, 0, "both")],
)
def test_one_stage_is_trained_alone_only_if_it_surely_makes_most_errors(
    detector: int, segmenter: int, retrain: str
) -> None:
    assert advice(blame(detector, segmenter)).retrain == retrain


def test_advice_says_why() -> None:
    assert advice(blame(40, 2)).reason == "40 of 42 errors are the detector's, most often missed (40)."
