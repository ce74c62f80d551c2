import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc360.frames import View, clipped, crop_around, whole
from loc360.wire import Box, Point

sizes = st.integers(1, 9000)
coordinates = st.floats(-1e4, 1e4, allow_nan=False)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x0, x1 = sorted((draw(coordinates), draw(coordinates)))
    y0, y1 = sorted((draw(coordinates), draw(coordinates)))
    return Box(x0, y0, x1, y1)


@st.composite
def views(draw: st.DrawFn) -> View:
    x0, y0 = draw(st.integers(0, 5000)), draw(st.integers(0, 5000))
    return View(Box(x0, y0, x0 + draw(sizes), y0 + draw(sizes)), draw(st.integers(1, 1024)), draw(st.integers(1, 1024)))


@given(views(), boxes())
def test_a_box_comes_back_from_a_view_where_it_was(view: View, box: Box) -> None:
    assert view.box_on_photo(view.box_in_view(box)) == pytest.approx(box, abs=1e-6)


@given(views())
def test_a_views_corners_are_the_corners_of_what_it_shows(view: View) -> None:
    assert view.box_on_photo(whole(view.width_px, view.height_px)) == pytest.approx(view.part)
    assert view.point_in_view(Point(view.part.x0, view.part.y0)) == (0, 0)


@given(boxes(), sizes, sizes)
def test_a_clipped_box_lies_in_the_frame_and_shows_a_pixel(box: Box, width: int, height: int) -> None:
    inside = clipped(box, whole(width, height))
    if inside is not None:
        assert 0 <= inside.x0 < inside.x1 <= width
        assert 0 <= inside.y0 < inside.y1 <= height
        assert inside.x1 - inside.x0 >= 1
        assert inside.y1 - inside.y0 >= 1


@pytest.mark.parametrize(
    "box",
    [Box(10, 10, 10, 20), Box(10, 10, 20, 10), Box(10, 10, 10.9, 20), Box(-5, 0, 0.5, 20), Box(120, 0, 130, 20)],
)
def test_a_box_that_shows_less_than_a_pixel_is_none(box: Box) -> None:
    assert clipped(box, whole(100, 100)) is None


def test_a_box_without_numbers_is_none() -> None:
    assert clipped(Box(np.nan, 0, 5, 5), whole(100, 100)) is None


@given(boxes(), st.floats(0, 3), sizes, sizes)
def test_a_crop_has_whole_pixels_inside_the_frame_and_holds_its_box(
    box: Box, margin: float, width: int, height: int
) -> None:
    inside = clipped(box, whole(width, height))
    if inside is None:
        return
    crop = crop_around(inside, margin, whole(width, height))
    assert all(edge == int(edge) for edge in crop)
    assert 0 <= crop.x0 <= inside.x0 < inside.x1 <= crop.x1 <= width
    assert 0 <= crop.y0 <= inside.y0 < inside.y1 <= crop.y1 <= height


def test_the_margin_is_a_share_of_the_longer_side_all_around() -> None:
    assert crop_around(Box(100, 100, 140, 120), 0.25, whole(1000, 1000)) == (90, 90, 150, 130)
