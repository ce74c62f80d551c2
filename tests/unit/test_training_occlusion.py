"""What attribution asks of a model: pictures with parts hidden, and how far an answer is still the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc360.wire import Box, Find
from tests.unit.fake_models import Painted, paint
from training.evaluation.occlusion import Grid, Hideable, share_within, still_drawn, still_found

THING = Painted("carrot", Box(0, 0, 100, 100))


def hideable() -> Hideable:
    """400 x 200, in 4 x 2 cells; the first is orange."""
    return Hideable(paint(400, 200, [THING]), Grid(2, 4))


@given(width=st.integers(8, 2000), height=st.integers(8, 2000), cells=st.integers(1, 64))
def test_a_grid_has_at_most_the_cells_asked_for(width: int, height: int, cells: int) -> None:
    assert 1 <= Grid.of(width, height, cells).cells <= cells


def test_cells_are_about_square() -> None:
    assert Grid.of(800, 600, 48) == Grid(6, 8)


def test_all_visible_is_the_picture_itself() -> None:
    picture = hideable()
    assert (picture.shown(np.ones(8)) == picture.image).all()


def test_a_hidden_cell_is_blurred_and_the_others_stay() -> None:
    picture = hideable()
    visible = np.ones(8)
    visible[0] = 0
    shown = picture.shown(visible)
    assert np.ptp(shown[20:80, 20:80].astype(int), axis=2).max() < np.ptp(picture.image[50, 50].astype(int))
    assert (shown[:, 120:] == picture.image[:, 120:]).all()
    assert picture.is_shown(visible).sum() == 400 * 200 - 100 * 100


def test_heat_is_drawn_where_its_cell_is() -> None:
    heat = Grid(2, 4).drawn(np.array([1.0, 0, 0, 0, 0, 0, 0, 0]), 400, 200)
    assert heat.shape == (200, 400)
    assert (heat.min(), heat.max()) == (0, 1)
    assert np.unravel_index(heat.argmax(), heat.shape) < (100, 100)


def test_a_find_is_still_there_as_far_as_place_score_and_label_go() -> None:
    there = Find(Box(0, 0, 10, 10), "carrot", 0.9)
    half = Find(Box(0, 0, 10, 5), "carrot", 0.8)
    renamed = Find(Box(0, 0, 10, 10), "tomato", 1.0)
    assert still_found([there], [half, renamed]) == pytest.approx([0.4])
    assert still_found([there], []) == pytest.approx([0])
    assert still_found([], [half]).shape == (0,)


def test_a_mask_is_compared_only_where_nothing_is_hidden() -> None:
    mask, now = np.zeros((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    mask[:, :2], now[:2, :2] = True, True
    everywhere, upper = np.ones((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    upper[:2] = True
    assert (still_drawn(mask, now, everywhere), still_drawn(mask, now, upper)) == (0.5, 1)
    assert still_drawn(~everywhere, ~everywhere, everywhere) == 1


def test_the_heat_in_boxes_is_told_next_to_their_share_of_the_picture() -> None:
    heat = np.zeros((10, 10))
    heat[2:4, 2:4] = 1
    within, area = share_within(heat, [Box(1, 1, 4, 4)])
    assert (within, area) == (1, 0.16)
    assert share_within(np.zeros((10, 10)), [Box(0, 0, 9, 9)]) == (0, 1)
