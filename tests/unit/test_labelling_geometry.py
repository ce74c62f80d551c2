import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phenoloop.labelling.geometry import (
    OUTLINE_TOLERANCE,
    OUTLINE_TOLERANCE_PX,
    cut_to_content,
    deepest_point,
    filled,
    outline,
    rectangle_corners,
)

ORIGIN = (30, 20)
sides = st.integers(1, 120)


def ellipse(width, height, turn_deg=0):
    canvas = np.zeros((300, 300), np.uint8)
    cv2.ellipse(canvas, (150, 150), (width // 2 + 1, height // 2 + 1), turn_deg, 0, 360, 1, -1)
    return cut_to_content(canvas.astype(bool), (0, 0))[0]


def on_canvas(mask, origin_px):
    canvas = np.zeros((400, 400), np.uint8)
    x, y = origin_px
    canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return canvas


def furthest_difference_px(one, other):
    """How far the pixels in which two masks differ lie from the edge of the first."""
    edge = cv2.morphologyEx(one, cv2.MORPH_GRADIENT, np.ones((3, 3)), borderValue=0)
    return float((cv2.distanceTransform(1 - edge, cv2.DIST_L2, 5) * (one != other)).max())


@settings(deadline=None)
@given(width=sides, height=sides, turn_deg=st.integers(0, 90))
def test_an_outline_filled_again_leaves_the_mask_by_no_more_than_the_tolerance(width, height, turn_deg):
    mask = ellipse(width, height, turn_deg)

    again = filled(outline(mask, ORIGIN), 400, 400)

    tolerance = max(OUTLINE_TOLERANCE_PX, OUTLINE_TOLERANCE * max(mask.shape))
    assert furthest_difference_px(on_canvas(mask, ORIGIN), on_canvas(*again)) <= tolerance


@settings(deadline=None)
@given(width=st.integers(20, 120), height=st.integers(20, 120))
def test_an_outline_has_few_points(width, height):
    assert 3 <= len(outline(ellipse(width, height), ORIGIN)) < 40


def test_the_outline_is_of_the_largest_part_without_its_holes():
    mask = np.zeros((40, 60), bool)
    mask[5:35, 5:35] = True
    mask[15:25, 15:25] = False
    mask[0:3, 50:53] = True

    again, origin_px = filled(outline(mask, (0, 0)), 60, 40)

    assert origin_px == (5, 5)
    assert again.shape == (30, 30)
    assert again.all()


def test_a_single_pixel_has_an_outline_and_an_empty_mask_has_none():
    points = outline(np.ones((1, 1), bool), ORIGIN)

    assert filled(points, 400, 400) == (np.ones((1, 1), bool), ORIGIN)
    assert not len(outline(np.zeros((3, 3), bool), ORIGIN))


@settings(deadline=None)
@given(x=st.integers(0, 50), y=st.integers(0, 50), width=sides, height=sides)
def test_a_rectangle_on_whole_pixels_fills_just_its_pixels(x, y, width, height):
    mask, origin_px = filled(rectangle_corners((x, y), (width, height), 0), 400, 400)

    assert origin_px == (x, y)
    assert mask.shape == (height, width)
    assert mask.all()


def test_what_lies_outside_the_photo_is_not_filled():
    mask, origin_px = filled(np.array([[-10.0, -10.0], [20.0, -10.0], [20.0, 20.0], [-10.0, 20.0]]), 8, 6)

    assert (mask.shape, origin_px) == ((6, 8), (0, 0))
    assert mask.all()


@settings(deadline=None)
@given(st.floats(-360, 360), sides, sides)
def test_turning_a_rectangle_keeps_its_first_corner_and_its_sides(rotation_deg, width, height):
    corners = rectangle_corners((7, 9), (width, height), rotation_deg)

    lengths = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    assert np.allclose(corners[0], (7, 9))
    assert np.allclose(lengths, [width, height, width, height])


def test_a_rectangle_turns_clockwise_on_the_screen():
    assert np.allclose(rectangle_corners((0, 0), (10, 2), 90)[1], (0, 10))


@settings(deadline=None)
@given(width=sides, height=sides, turn_deg=st.integers(0, 90))
def test_the_deepest_point_lies_in_the_mask(width, height, turn_deg):
    mask = ellipse(width, height, turn_deg)
    mask[: mask.shape[0] // 2, : mask.shape[1] // 2] = False
    if mask.any():
        x, y = deepest_point(mask, ORIGIN)
        assert mask[int(y) - ORIGIN[1], int(x) - ORIGIN[0]]


@settings(deadline=None)
@given(width=st.integers(3, 250), height=st.integers(3, 250), turn_deg=st.integers(0, 90))
def test_no_point_lies_much_deeper_than_the_deepest(width, height, turn_deg):
    mask = ellipse(width, height, turn_deg)
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]

    x, y = deepest_point(mask, (0, 0))

    assert depth[int(y), int(x)] >= 0.95 * depth.max()
