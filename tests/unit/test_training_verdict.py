"""What decides on a candidate, from the gains alone."""

import pytest

from training.evaluation.scores import Gain
from training.evaluation.verdict import Demands, Verdict, judged, lost_labels

DEMANDS = Demands()
BETTER, WORSE, UNSURE = Gain(0.2, 0.1, 0.3), Gain(-0.2, -0.3, -0.1), Gain(0.1, -0.1, 0.3)


def verdict(
    quality: Gain = BETTER,
    *,
    groups: int = 8,
    lost: tuple[str, ...] = (),
    demands: Demands = DEMANDS,
    **others: Gain,
) -> Verdict:
    return judged({"quality": quality, **others}, test_groups=groups, labels_lost=lost, demands=demands)


def test_a_candidate_that_is_surely_better_is_better() -> None:
    found = verdict(mean_iou=BETTER, length_median_error_share=WORSE)
    assert found.verdict == "better"
    assert "+0.200, 95 % interval +0.100 to +0.300" in found.reasons[0]


@pytest.mark.parametrize("quality", [WORSE, UNSURE, Gain(0, 0, 0)])
def test_one_that_is_not_surely_better_is_not(quality: Gain) -> None:
    assert verdict(quality).verdict == "not better"


def test_the_gain_must_exceed_what_is_demanded() -> None:
    assert verdict(demands=Demands(gain=0.1)).verdict == "not better"
    assert verdict(demands=Demands(gain=0.05)).verdict == "better"


@pytest.mark.parametrize("quality", [BETTER, WORSE])
def test_too_few_test_photos_leave_a_doubt_whatever_the_gain(quality: Gain) -> None:
    found = verdict(quality, groups=4)
    assert found.verdict == "doubtful"
    assert "4 with objects, 5 are needed" in found.reasons[0]


def test_one_witness_is_never_enough() -> None:
    assert verdict(groups=1, demands=Demands(test_photos=0)).verdict == "doubtful"
    assert judged({}, test_groups=9, labels_lost=(), demands=Demands()).verdict == "doubtful"


@pytest.mark.parametrize("figure", ["mean_iou", "box_ap50_any_label"])
def test_a_figure_that_falls_clearly_leaves_a_doubt(figure: str) -> None:
    found = verdict(**{figure: WORSE})
    assert found.verdict == "doubtful"
    assert figure in found.reasons[1]
    assert verdict(**{figure: UNSURE}).verdict == "better"


@pytest.mark.parametrize("figure", ["length_median_error_share", "width_median_error_share"])
def test_an_error_that_rises_clearly_leaves_a_doubt(figure: str) -> None:
    assert verdict(**{figure: BETTER}).verdict == "doubtful"
    assert verdict(**{figure: WORSE}).verdict == "better"


def test_shapes_may_differ_as_much_as_annotators_let_pass() -> None:
    assert (
        verdict(mean_iou=Gain(-0.03, -0.05, -0.02), length_median_error_share=Gain(0.03, 0.02, 0.1)).verdict == "better"
    )


def test_a_lost_label_leaves_a_doubt_and_is_named() -> None:
    found = verdict(lost=("leek",))
    assert found.verdict == "doubtful"
    assert "leek" in found.reasons[1]


def test_labels_are_lost_only_if_annotators_use_them() -> None:
    assert lost_labels(["Sugar beet", "leek", "kale"], ["LEEK"], {"sugar_beet", "leek"}) == ("Sugar beet",)
