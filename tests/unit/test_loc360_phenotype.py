import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc360.phenotype import in_millimetres, largest_component, mean_lab, shape_measures
from loc360.wire import Mask

sides = st.integers(1, 120)


def rectangle(width: int, height: int) -> Mask:
    return np.ones((height, width), np.bool_)


def disc(radius: float, *, dx: float = 0.0, dy: float = 0.0) -> Mask:
    side = math.ceil(2 * radius) + 6
    ys, xs = np.mgrid[:side, :side] + 0.5
    return np.hypot(xs - side / 2 - dx, ys - side / 2 - dy) <= radius


def turned_rectangle(length: float, width: float, degrees: float) -> Mask:
    side = math.ceil(length + width)
    ys, xs = np.mgrid[:side, :side] + 0.5 - side / 2
    angle = math.radians(degrees)
    along, across = xs * math.cos(angle) + ys * math.sin(angle), ys * math.cos(angle) - xs * math.sin(angle)
    return (abs(along) <= length / 2) & (abs(across) <= width / 2)


@st.composite
def blobs(draw: st.DrawFn) -> Mask:
    """One-piece masks of any form: unions of rectangles and discs, largest part."""
    canvas = np.zeros((60, 60), np.uint8)
    for _ in range(draw(st.integers(1, 5))):
        x, y = draw(st.integers(5, 54)), draw(st.integers(5, 54))
        if draw(st.booleans()):
            cv2.circle(canvas, (x, y), draw(st.integers(0, 12)), 1, -1)
        else:
            cv2.rectangle(canvas, (x, y), (draw(st.integers(5, 54)), draw(st.integers(5, 54))), 1, -1)
    return largest_component(canvas.astype(bool))


@given(sides, sides)
def test_a_filled_rectangle_measures_exactly_its_sides(width: int, height: int) -> None:
    measures = shape_measures(rectangle(width, height), 1, 1)

    assert measures["length_px"] == max(width, height)
    assert measures["width_px"] == min(width, height)
    assert measures["area_px"] == width * height
    assert measures["solidity"] == 1
    assert measures["aspect_ratio"] == max(width, height) / min(width, height)


@given(sides, sides, st.floats(1, 9), st.floats(1, 9))
def test_a_coarse_mask_is_measured_in_photo_pixels_of_either_axis(w: int, h: int, sx: float, sy: float) -> None:
    measures = shape_measures(rectangle(w, h), sx, sy)

    assert measures["length_px"] == pytest.approx(max(w * sx, h * sy), rel=1e-9)
    assert measures["width_px"] == pytest.approx(min(w * sx, h * sy), rel=1e-9)
    assert measures["area_px"] == pytest.approx(w * h * sx * sy)
    assert measures["solidity"] == 1


@pytest.mark.parametrize("degrees", [0, 10, 22.5, 30, 45, 60, 77, 90, 135])
def test_a_turned_rectangle_measures_its_sides_within_a_pixel_or_so(degrees: float) -> None:
    measures = shape_measures(turned_rectangle(200, 60, degrees), 1, 1)

    assert measures["length_px"] == pytest.approx(200, abs=1.5)
    assert measures["width_px"] == pytest.approx(60, abs=1.5)
    assert measures["area_px"] == pytest.approx(200 * 60, rel=0.01)
    assert measures["perimeter_px"] == pytest.approx(520, rel=0.035)
    assert measures["solidity"] > 0.97


@pytest.mark.parametrize("radius", [10, 20, 50, 150])
def test_a_circles_perimeter_is_unbiased(radius: int) -> None:
    offsets = np.random.default_rng(1).uniform(-0.5, 0.5, (20, 2))
    perimeters = [shape_measures(disc(radius, dx=x, dy=y), 1, 1)["perimeter_px"] for x, y in offsets]

    assert np.mean(perimeters) == pytest.approx(2 * math.pi * radius, rel=0.01)
    assert perimeters == pytest.approx([2 * math.pi * radius] * 20, rel=0.04 if radius < 20 else 0.02)


def test_perimeters_of_straight_edges_are_unbiased_over_directions() -> None:
    turned = [turned_rectangle(200, 60, degrees) for degrees in np.linspace(0, 180, 61)]
    perimeters = [shape_measures(largest_component(mask), 1, 1)["perimeter_px"] for mask in turned]

    assert np.mean(perimeters) == pytest.approx(520, rel=0.01)


def test_an_ellipse_measures_its_axes() -> None:
    ys, xs = np.mgrid[:100, :220] + 0.5
    measures = shape_measures(((xs - 110) / 100) ** 2 + ((ys - 50) / 40) ** 2 <= 1, 1, 1)

    assert measures["length_px"] == pytest.approx(200, rel=0.01)
    assert measures["width_px"] == pytest.approx(80, rel=0.015)
    assert measures["area_px"] == pytest.approx(math.pi * 100 * 40, rel=0.01)


def test_a_single_pixel_has_an_extent_and_an_outline() -> None:
    measures = shape_measures(rectangle(1, 1), 1, 1)

    assert measures["length_px"] == measures["width_px"] == measures["area_px"] == measures["solidity"] == 1
    assert measures["perimeter_px"] == pytest.approx(math.pi)


@given(blobs(), st.integers(0, 9), st.integers(0, 9))
def test_where_an_object_lies_does_not_change_its_measures(mask: Mask, dx: int, dy: int) -> None:
    moved = np.pad(mask, ((dy, 3), (dx, 1)))

    assert shape_measures(moved, 1, 1) == pytest.approx(shape_measures(mask, 1, 1), rel=1e-9)


@given(blobs(), st.integers(1, 3), st.sampled_from([1, -1]))
def test_turning_by_quarters_and_mirroring_do_not_change_the_measures(mask: Mask, turns: int, mirror: int) -> None:
    turned = np.rot90(mask[:, ::mirror], turns)

    assert shape_measures(turned, 1, 1) == pytest.approx(shape_measures(mask, 1, 1), rel=1e-9)


@given(blobs(), st.floats(1, 20))
def test_lengths_grow_with_the_scale_and_areas_with_its_square(mask: Mask, scale: float) -> None:
    one, scaled = shape_measures(mask, 1, 1), shape_measures(mask, scale, scale)

    for name in ("length_px", "width_px", "perimeter_px"):
        assert scaled[name] == pytest.approx(one[name] * scale, rel=1e-9)
    assert scaled["area_px"] == pytest.approx(one["area_px"] * scale**2)
    assert scaled["solidity"] == one["solidity"]


@given(blobs(), st.integers(2, 4))
def test_extents_and_area_do_not_depend_on_the_resolution_of_the_mask(mask: Mask, factor: int) -> None:
    fine = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    coarse_measures, fine_measures = shape_measures(mask, factor, factor), shape_measures(fine, 1, 1)

    for name in ("length_px", "width_px", "area_px", "solidity"):
        assert fine_measures[name] == pytest.approx(coarse_measures[name], rel=1e-9)


@settings(max_examples=200)
@given(blobs())
def test_measures_keep_within_their_bounds(mask: Mask) -> None:
    measures = shape_measures(mask, 1, 1)

    assert 0 < measures["solidity"] <= 1
    assert measures["aspect_ratio"] >= 1
    assert measures["area_px"] <= measures["length_px"] * measures["width_px"] * (1 + 1e-9)
    assert measures["perimeter_px"] > 0


def test_the_rectangle_is_the_smallest_of_all_directions() -> None:
    mask = turned_rectangle(90, 40, 33)
    corners = np.argwhere(mask)[:, ::-1] + np.array([[[0, 0]], [[0, 1]], [[1, 0]], [[1, 1]]])
    angles = np.radians(np.linspace(0, 90, 1801))
    x, y = corners.reshape(-1, 2).T
    areas = [np.ptp(x * math.cos(a) + y * math.sin(a)) * np.ptp(y * math.cos(a) - x * math.sin(a)) for a in angles]

    measures = shape_measures(mask, 1, 1)

    assert measures["length_px"] * measures["width_px"] == pytest.approx(min(areas), rel=1e-3)


def test_a_notch_lowers_solidity_and_a_hole_is_no_area() -> None:
    notched, holed = rectangle(40, 20), rectangle(40, 20)
    notched[:10, 10:30] = False
    holed[5:15, 10:30] = False

    assert shape_measures(notched, 1, 1)["solidity"] == pytest.approx(600 / 800)
    assert shape_measures(holed, 1, 1)["area_px"] == 600
    assert shape_measures(holed, 1, 1)["perimeter_px"] == shape_measures(rectangle(40, 20), 1, 1)["perimeter_px"]


def test_only_the_largest_piece_counts_and_diagonal_neighbours_are_one_piece() -> None:
    mask = np.zeros((20, 20), np.bool_)
    mask[2:8, 2:8] = mask[8:12, 8:12] = True
    mask[15, 15] = True

    kept = largest_component(mask)

    assert kept.sum() == 36 + 16
    assert not kept[15, 15]


def test_an_empty_mask_stays_empty() -> None:
    assert not largest_component(np.zeros((5, 5), np.bool_)).any()


@pytest.mark.parametrize(
    ("rgb", "lab"),  # Lindbloom's calculator, sRGB, D65
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((5, 5, 5), (1.371, 0, 0)),
    ],
)
def test_colours_have_their_reference_lab(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    assert mean_lab(np.array([rgb] * 3, np.uint8)) == pytest.approx(lab, abs=0.02)


def test_the_mean_is_taken_in_lab_not_in_rgb() -> None:
    assert mean_lab(np.array([[0, 0, 0], [255, 255, 255]], np.uint8))[0] == pytest.approx(50, abs=1e-3)


def test_millimetres_are_pixels_times_the_scale_and_areas_times_its_square() -> None:
    measures = in_millimetres(shape_measures(rectangle(40, 20), 1, 1), 0.5)

    assert (measures["length_mm"], measures["width_mm"], measures["area_mm2"]) == (20, 10, 200)
    assert measures["perimeter_mm"] == pytest.approx(60, rel=0.03)
