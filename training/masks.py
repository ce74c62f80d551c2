"""Masks that lie somewhere on a photo, and how well two objects cover each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from loc360.frames import View
from loc360.wire import Box, Mask

Array = NDArray[np.float64]

_FULL, _HALF = 254, 127
"""Cover of a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedMask:
    """Frame: that of the photo it lies on."""

    mask: Mask
    origin_px: tuple[int, int]
    """x, y of the mask's first pixel."""

    @property
    def box_px(self) -> Box:
        """What the mask's array covers, content or not."""
        (x, y), (height, width) = self.origin_px, self.mask.shape
        return Box(x, y, x + width, y + height)


def drawn(mask: Mask, part: Box, width_px: int, height_px: int) -> PlacedMask:
    """A mask that covers `part` of a photo of that size, drawn on the photo's pixels; its outline is interpolated.

    Enlarging is bilinear, shrinking an area average; either way a pixel belongs if half of it does. A mask too thin for
    that keeps the pixels that it covers most.
    """
    x0, y0 = max(math.floor(part.x0), 0), max(math.floor(part.y0), 0)
    size = (max(min(math.ceil(part.x1), width_px) - x0, 0), max(min(math.ceil(part.y1), height_px) - y0, 0))
    if not all(size):
        return PlacedMask(np.zeros(size[::-1], np.bool_), (x0, y0))
    cover, view = _averaged(mask, part)
    # pixel i of either grid has its centre at i + 0.5
    to_mask = np.array(
        [
            [1 / view.scale_x, 0, (x0 + 0.5 - part.x0) / view.scale_x - 0.5],
            [0, 1 / view.scale_y, (y0 + 0.5 - part.y0) / view.scale_y - 0.5],
        ]
    )
    on_grid = cv2.warpAffine(cover, to_mask, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    most = int(on_grid.max())
    return PlacedMask(np.asarray(on_grid >= min(_HALF, max(most, 1)), np.bool_), (x0, y0))


def trimmed(placed: PlacedMask) -> PlacedMask | None:
    """The mask cut to its content; None if it is empty."""
    rows, columns = np.flatnonzero(placed.mask.any(axis=1)), np.flatnonzero(placed.mask.any(axis=0))
    if not rows.size:
        return None
    y0, x0 = int(rows[0]), int(columns[0])
    content = placed.mask[y0 : rows[-1] + 1, x0 : columns[-1] + 1]
    return PlacedMask(content, (placed.origin_px[0] + x0, placed.origin_px[1] + y0))


def box_ious(found: Sequence[Box], truth: Sequence[Box]) -> Array:
    """(found, truth): common area over united area."""
    a = np.asarray(found, np.float64).reshape(-1, 1, 4)
    b = np.asarray(truth, np.float64).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    common = np.clip(sides, 0, None).prod(axis=-1)
    united = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - common
    return np.asarray(np.divide(common, united, out=np.zeros_like(common), where=united > 0), np.float64)


def mask_iou(one: PlacedMask, other: PlacedMask) -> float:
    """Common pixels over united pixels; 0 for two empty masks."""
    a, b = one.box_px, other.box_px
    shared = tuple(map(int, (max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1))))
    if shared[0] >= shared[2] or shared[1] >= shared[3]:
        return 0.0
    common = np.count_nonzero(_window(one, shared) & _window(other, shared))
    united = np.count_nonzero(one.mask) + np.count_nonzero(other.mask) - common
    return common / united if united else 0.0


def _averaged(mask: Mask, part: Box) -> tuple[NDArray[np.uint8], View]:
    """The mask as cover (0 to 254), by area average no finer than the pixels it is to be drawn on."""
    height, width = mask.shape
    cover = mask.astype(np.uint8) * _FULL
    size = (min(width, max(1, round(part.x1 - part.x0))), min(height, max(1, round(part.y1 - part.y0))))
    if size != (width, height):
        cover = cv2.resize(cover, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return cover, View(part, *size)


def _window(placed: PlacedMask, part: tuple[int, ...]) -> Mask:
    x, y = placed.origin_px
    return placed.mask[part[1] - y : part[3] - y, part[0] - x : part[2] - x]
