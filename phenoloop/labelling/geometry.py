"""Masks, outlines and points of one object. Pixel (column, row) covers [column, column + 1) x [row, row + 1)."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]  # (height, width), cut out at an origin (x, y) of the photo
Points = NDArray[np.float64]  # (n, 2): x, y in pixels of the photo
Box = tuple[float, float, float, float]  # x0, y0, x1, y1: edges in pixels of the photo

OUTLINE_TOLERANCE_PX = 1.0
OUTLINE_TOLERANCE = 0.008
"""An outline leaves the mask's edge by at most this share of its longer side, or by OUTLINE_TOLERANCE_PX if more."""


def outline(mask: Mask, origin_px: tuple[int, int]) -> Points:
    """The outline of the mask's largest part, its holes filled, simplified with Douglas-Peucker.

    A part too small to have an outline is drawn as its box; an empty mask has no points.
    """
    if not mask.any():
        return np.empty((0, 2))
    # Contours run through pixel centres: of half pixels, so that they keep within a quarter pixel of the true edge
    halves = cv2.resize(mask.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(halves, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = (max(contours, key=cv2.contourArea).astype(np.float32) + 0.5) / 2
    side = float(np.ptp(largest, axis=0).max())
    simple = cv2.approxPolyDP(largest, max(OUTLINE_TOLERANCE_PX, OUTLINE_TOLERANCE * side), closed=True)
    points = largest if len(simple) < 3 else simple
    return np.asarray(points, np.float64).reshape(-1, 2) + origin_px


def filled(points: Points, width_px: int, height_px: int) -> tuple[Mask, tuple[int, int]]:
    """The pixels of the photo whose centres lie inside the closed outline (even-odd), with the mask's origin."""
    low = np.floor(points.min(axis=0)).clip(0, (width_px, height_px)).astype(int)
    high = np.ceil(points.max(axis=0)).clip(0, (width_px, height_px)).astype(int)
    width, height = (high - low).tolist()
    crossed = np.zeros((height, width + 1), np.bool_)
    np.logical_xor.at(crossed, _crossings(points - low, width, height), True)  # noqa: FBT003  # an array's value
    inside = np.logical_xor.accumulate(crossed, axis=1)[:, :width]
    return cut_to_content(inside, (int(low[0]), int(low[1])))


def fill_work_px(points: Points, width_px: int, height_px: int) -> float:
    """What `filled` costs, in pixels gone over: its box, and for each row that an edge crosses as much as 128."""
    inside = points.clip(0, (width_px, height_px))
    rows = np.abs(np.diff(inside[:, 1], append=inside[:1, 1])).sum()
    return float(np.ptp(inside, axis=0).prod() + 128 * rows)


def _crossings(points: Points, width: int, height: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the first pixel right of each place where an edge crosses the middle of a row."""
    (xa, ya), (xb, yb) = points.T, np.roll(points, -1, axis=0).T
    first = np.ceil(np.minimum(ya, yb) - 0.5).clip(0, height).astype(np.int64)
    last = np.ceil(np.maximum(ya, yb) - 0.5).clip(0, height).astype(np.int64)
    crosses = last > first
    xa, ya, xb, yb, first, counts = (of[crosses] for of in (xa, ya, xb, yb, first, last - first))
    edge = np.repeat(np.arange(len(counts)), counts)
    rows = first[edge] + np.arange(len(edge)) - (np.cumsum(counts) - counts)[edge]
    x = xa[edge] + (rows + 0.5 - ya[edge]) * (xb[edge] - xa[edge]) / (yb[edge] - ya[edge])
    return rows, np.ceil(x - 0.5).clip(0, width).astype(np.int64)


def deepest_point(mask: Mask, origin_px: tuple[int, int]) -> tuple[float, float]:
    """The centre of the mask's pixel that lies furthest from its edge, to a few percent of that distance."""
    edged = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(edged, cv2.DIST_L2, cv2.DIST_MASK_5)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(origin_px[0] + column - 0.5), float(origin_px[1] + row - 0.5)


def rectangle_corners(corner: Sequence[float], size: Sequence[float], rotation_deg: float) -> Points:
    """Corners of a rectangle (width, height) turned clockwise about its first corner (x, y)."""
    angle = np.deg2rad(rotation_deg)
    along = np.array([np.cos(angle), np.sin(angle)]) * size[0]
    down = np.array([-np.sin(angle), np.cos(angle)]) * size[1]
    corners: Points = np.array([np.zeros(2), along, along + down, down]) + np.asarray(corner, np.float64)
    return corners


def box_around(points: Points) -> Box:
    x0, y0 = points.min(axis=0).tolist()
    x1, y1 = points.max(axis=0).tolist()
    return x0, y0, x1, y1


def cut_to_content(mask: Mask, origin_px: tuple[int, int]) -> tuple[Mask, tuple[int, int]]:
    """The smallest part of the mask that holds all its pixels; of an empty mask nothing.

    A copy, unless it is most of the mask: a small part keeps no large mask alive, a large one is not held twice.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return np.zeros((0, 0), np.bool_), origin_px
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    part = cut if 2 * cut.size > mask.size else cut.copy()
    return part, (origin_px[0] + int(columns[0]), origin_px[1] + int(rows[0]))
