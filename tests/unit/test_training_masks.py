"""Masks on a photo's pixels, and how far they cover each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loc360.wire import Box, Mask
from training.masks import PlacedMask, box_ious, drawn, mask_iou, trimmed

masks = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))
places = st.tuples(st.integers(-5, 20), st.integers(-5, 20))


def pasted(placed: PlacedMask) -> Mask:
    """On 60 x 60 pixels, with 10 around the frame's zero."""
    canvas = np.zeros((60, 60), np.bool_)
    (x, y), (height, width) = placed.origin_px, placed.mask.shape
    canvas[10 + y : 10 + y + height, 10 + x : 10 + x + width] = placed.mask
    return canvas


@given(masks, places, masks, places)
def test_the_overlap_of_masks_is_that_of_their_pixels(
    one: Mask, at: tuple[int, int], other: Mask, there: tuple[int, int]
) -> None:
    a, b = PlacedMask(one, at), PlacedMask(other, there)
    united = (pasted(a) | pasted(b)).sum()
    assert mask_iou(a, b) == (pytest.approx((pasted(a) & pasted(b)).sum() / united) if united else 0)


@given(masks, places)
def test_a_mask_drawn_at_its_own_size_stays_as_it_is(mask: Mask, at: tuple[int, int]) -> None:
    placed = PlacedMask(mask, at)
    again = drawn(mask, placed.box_px, 40, 40)
    assert np.array_equal(pasted(again), pasted(placed) & pasted(PlacedMask(np.ones((40, 40), np.bool_), (0, 0))))


def test_a_mask_drawn_larger_keeps_its_shape() -> None:
    ys, xs = np.mgrid[0:50, 0:50] + 0.5
    disc = (xs - 25) ** 2 + (ys - 25) ** 2 <= 24**2
    large = drawn(disc, Box(10.4, 20.7, 160.4, 170.7), 400, 300)
    ys, xs = np.mgrid[0:300, 0:400] + 0.5
    wanted = (xs - 85.4) ** 2 + (ys - 95.7) ** 2 <= 72**2
    assert mask_iou(large, PlacedMask(wanted, (0, 0))) > 0.98


def test_a_hair_drawn_smaller_does_not_vanish() -> None:
    hair = np.zeros((100, 100), np.bool_)
    hair[:, 50] = True
    assert drawn(hair, Box(0, 0, 20, 20), 400, 300).mask.any()


def test_a_mask_off_the_photo_is_empty() -> None:
    assert not drawn(np.ones((5, 5), np.bool_), Box(-9, -9, -4, -4), 40, 40).mask.any()


@given(masks, places)
def test_trimming_leaves_the_pixels_where_they_are(mask: Mask, at: tuple[int, int]) -> None:
    cut = trimmed(PlacedMask(mask, at))
    if cut is None:
        assert not mask.any()
    else:
        assert np.array_equal(pasted(cut), pasted(PlacedMask(mask, at)))
        assert cut.mask[0].any() and cut.mask[-1].any() and cut.mask[:, 0].any() and cut.mask[:, -1].any()  # noqa: PT018


def test_overlaps_of_boxes_are_common_over_united_area() -> None:
    found, true = [Box(0, 0, 10, 10), Box(0, 0, 0, 0)], [Box(0, 0, 10, 5), Box(5, 5, 15, 15), Box(20, 0, 30, 10)]
    assert box_ious(found, true) == pytest.approx(np.array([[0.5, 25 / 175, 0], [0, 0, 0]]))
    assert box_ious([], true).shape == (0, 3)
