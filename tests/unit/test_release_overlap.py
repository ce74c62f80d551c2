"""Two answers about one photo are compared object by object, each counted once."""

from hypothesis import given
from hypothesis import strategies as st

from loc360.wire import Box
from sync.release.overlap import iou, matches

edges = st.floats(0, 1000, allow_nan=False)
boxes = st.builds(
    lambda x, y, width, height: Box(x, y, x + width, y + height), edges, edges, st.floats(1, 500), st.floats(1, 500)
)
answers = st.lists(boxes, max_size=8)


@given(boxes, boxes)
def test_an_overlap_is_a_share_and_the_same_both_ways(box: Box, other: Box) -> None:
    assert 0 <= iou(box, other) == iou(other, box) <= 1 + 1e-9


@given(answers)
def test_an_answer_agrees_with_itself_whatever_its_order(answer: list[Box]) -> None:
    assert matches(answer, answer[::-1], least_iou=0.999) == len(answer)


@given(answers, answers)
def test_no_object_is_matched_twice(answer: list[Box], other: list[Box]) -> None:
    assert matches(answer, other) <= min(len(answer), len(other))


@given(answers)
def test_doubled_objects_count_once(answer: list[Box]) -> None:
    assert matches(answer + answer, answer, least_iou=0.999) == len(answer)


def test_what_lies_apart_does_not_match() -> None:
    assert matches([Box(0, 0, 10, 10)], [Box(20, 0, 30, 10)]) == 0


def test_a_line_has_no_overlap_with_itself() -> None:
    assert iou(Box(0, 5, 10, 5), Box(0, 5, 10, 5)) == 0
