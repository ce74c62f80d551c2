"""What is taken for what, label by label, and whether scores mean what they say."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scored_photos import find, photos, some_photo, true
from training.evaluation.calibration import calibration
from training.evaluation.comparison import Comparison
from training.evaluation.confusion import confusion, label_scores
from training.evaluation.scores import chain_scores

seeds = st.lists(st.integers(0, 10_000), min_size=1, max_size=5)


def mixed() -> list[Comparison]:
    """Carrots: right, taken for a tomato, missed; a find on the ground; a tomato in a second photo."""
    return photos(
        (
            [true(0), true(50), true(100)],
            [find(0, 0.9), find(50, 0.8, "tomato"), find(300, 0.3)],
        ),
        ([true(0, "tomato")], [find(0, 0.7, "tomato")]),
    )


def test_the_matrix_has_what_is_there_in_rows_and_what_was_found_in_columns() -> None:
    matrix = confusion(mixed())
    assert matrix.labels == ("carrot", "tomato")
    assert matrix.counts == ((1, 1, 1), (0, 1, 0), (1, 0, 0))


def test_precision_recall_and_f1_of_a_label_follow_the_matrix() -> None:
    carrot, tomato = (label_scores(mixed())[label] for label in ("carrot", "tomato"))
    assert (carrot.objects, carrot.found, carrot.precision, carrot.recall) == (3, 2, 0.5, pytest.approx(1 / 3))
    assert carrot.f1 == pytest.approx(0.4)
    assert (tomato.precision, tomato.recall) == (0.5, 1)


def test_counts_are_off_by_photo_and_bias_may_cancel() -> None:
    off = photos(([true(0), true(50)], [find(0, 0.9)]), ([true(0)], [find(0, 0.9), find(50, 0.8)]))
    carrot = label_scores(off)["carrot"]
    assert (carrot.count_bias_objects, carrot.count_mean_error_objects) == (0, 1)
    assert chain_scores(off).count_mean_error_objects == 1


def test_a_label_that_is_only_found_has_no_recall() -> None:
    pepper = label_scores(photos(([true(0)], [find(50, 0.9, "pepper")])))["pepper"]
    assert (pepper.precision, pepper.recall) == (0, None)


def test_objects_without_label_take_any_find_and_stay_out_of_the_matrix() -> None:
    some = photos(([true(0, None)], [find(0, 0.9)]))
    assert confusion(some).counts == ((0, 0), (0, 0))
    assert label_scores(some)["carrot"].precision is None
    assert chain_scores(some).precision == 1


@given(seeds)
def test_rows_and_columns_add_up_to_objects_and_finds(numbers: Sequence[int]) -> None:
    some = photos(*(some_photo(seed) for seed in numbers))
    matrix, scores = confusion(some), chain_scores(some)
    assert sum(map(sum, matrix.counts[:-1])) == scores.objects
    assert sum(sum(row[:-1]) for row in matrix.counts) == scores.found


def test_scores_that_mean_what_they_say_are_calibrated() -> None:
    """Of ten finds that score 0.8, eight are right."""
    truth = [true(50 * index) for index in range(8)]
    sure = photos((truth, [find(50 * index, 0.8) for index in range(10)]))
    assert calibration(sure).expected_error == pytest.approx(0)
    (only,) = calibration(sure).bins
    assert (only.low, only.high, only.finds, only.share_right) == (0.8, 0.9, 10, 0.8)


def test_a_chain_that_is_sure_and_wrong_is_not_calibrated() -> None:
    assert calibration(photos(([], [find(0, 1.0)]))).expected_error == 1


def test_a_wrong_label_is_wrong_for_calibration_too() -> None:
    (only,) = calibration(photos(([true(0)], [find(0, 0.9, "tomato")]))).bins
    assert only.share_right == 0


def test_without_finds_there_is_no_calibration() -> None:
    assert calibration(photos(([true(0)], []))).expected_error is None
