"""Phenotype metrics of one object, from its mask and its colours.

Pixels are unit squares: extents run between pixel corners, so a filled w x h rectangle measures exactly w and h.
A mask may be coarser than the photo; `scale_x` and `scale_y` are photo pixels per mask pixel.
"""

import math
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from loc360.wire import Mask


def largest_component(mask: Mask) -> Mask:
    """The 8-connected part with the most pixels. An object is one piece: specks beside it are the model's noise."""
    grey = mask.astype(np.uint8)
    if _is_one_piece(grey):
        return mask
    _, labels, stats, _ = cv2.connectedComponentsWithStats(grey, connectivity=8)
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])), np.bool_)


def _is_one_piece(grey: NDArray[np.uint8]) -> bool:
    """Or none. Of masks that are none the sizes are found out later: that takes five times as long."""
    height, width = grey.shape
    few = ((height + 1) // 2) * ((width + 1) // 2) < 2**16  # no mask of this size has more parts
    count, _ = cv2.connectedComponents(grey, connectivity=8, ltype=cv2.CV_16U if few else cv2.CV_32S)
    return count <= 2  # the background is one


def shape_measures(mask: Mask, scale_x: float, scale_y: float) -> dict[str, float]:
    """Length, width, area, perimeter in photo pixels, aspect ratio and solidity, of a non-empty one-piece mask.

    - length, width: long and short side of the minimum-area rectangle around the pixel corners (Freeman & Shapira,
      "Determining the minimum-area encasing rectangle for an arbitrary closed curve", Comm. ACM 18(7), 1975).
    - area: number of pixels, holes not counted.
    - perimeter: of the outline, see `outline_length`.
    - aspect ratio: length / width, at least 1.
    - solidity: area / area of the convex hull of the pixel corners, at most 1.
    """
    chain = _border(mask)
    hull = cv2.convexHull((cv2.convexHull(chain) + _PIXEL_CORNERS).reshape(-1, 1, 2))
    length, width = _smallest_rectangle(hull[:, 0] * np.array([scale_x, scale_y]))
    pixels = int(np.count_nonzero(mask))
    return {
        "length_px": length,
        "width_px": width,
        "area_px": pixels * scale_x * scale_y,
        "perimeter_px": outline_length(chain, scale_x, scale_y),
        "aspect_ratio": length / width,
        "solidity": pixels / cv2.contourArea(hull),
    }


def outline_length(chain: NDArray[np.int32], scale_x: float, scale_y: float) -> float:
    """Length of the outline of a mask in photo pixels, from its border pixels; unbiased over edge directions.

    0.980 even + 1.406 odd - 0.091 corners over the 8-connected chain code of the border pixels (Vossepoel & Smeulders,
    "Vector code probability and metrication error in the representation of straight lines of finite length", CGIP 20,
    1982). That chain runs through pixel centres, half a pixel inside; by Steiner's formula the parallel curve half
    a pixel outside is pi longer.
    """
    steps = np.diff(chain, axis=0, append=chain[:1])
    across, down = np.count_nonzero(steps, axis=0).tolist()
    odd = int(np.count_nonzero(steps.all(axis=1)))
    even_length = (across - odd) * scale_x + (down - odd) * scale_y
    corners = np.count_nonzero(np.diff(steps, axis=0, append=steps[:1]).any(axis=1))
    pixel = math.sqrt(scale_x * scale_y)
    odd_length = odd * math.hypot(scale_x, scale_y) / math.sqrt(2)
    return float(0.980 * even_length + 1.406 * odd_length + (math.pi - 0.091 * corners) * pixel)


def in_millimetres(measures: dict[str, float], mm_per_px: float) -> dict[str, float]:
    """The lengths and the area of `shape_measures` in mm and mm2."""
    lengths = {f"{name}_mm": measures[f"{name}_px"] * mm_per_px for name in ("length", "width", "perimeter")}
    return {**lengths, "area_mm2": measures["area_px"] * mm_per_px**2}


def mean_lab(pixels: NDArray[np.uint8], mask: Mask | None = None) -> tuple[float, float, float]:
    """Mean CIE L*a*b* (D65, 2 degrees) of sRGB pixels, averaged in L*a*b*, pixel by pixel.

    Of (n, 3), n > 0, or of those of (height, width, 3) that are in the mask.
    sRGB to linear to XYZ by IEC 61966-2-1, XYZ to L*a*b* by CIE 15. (OpenCV's own interpolates: its L* is off by 0.1.)
    """
    linear = cv2.LUT(pixels.reshape(-1, pixels.shape[-2], 3), _linear_light())
    xyz_over_white = cv2.transform(linear, _SRGB_TO_XYZ / _WHITE_D65[:, None])
    t, dark = np.cbrt(xyz_over_white), xyz_over_white <= (6 / 29) ** 3
    if dark.any():
        t[dark] = xyz_over_white[dark] * (29 / 6) ** 2 / 3 + 4 / 29
    means: Any = cv2.mean(t, None if mask is None else mask.astype(np.uint8))
    fx, fy, fz = means[:3]
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


_PIXEL_CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.int32)
_SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE_D65 = _SRGB_TO_XYZ.sum(axis=1)  # of exactly this matrix, so that white and greys have a* = b* = 0


@cache
def _linear_light() -> NDArray[np.float32]:
    encoded = np.arange(256) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear, np.float32)


def _smallest_rectangle(hull: NDArray[np.float64]) -> tuple[float, float]:
    """(long, short side) of the minimum-area rectangle around a convex polygon (n, 2): it lies along one of its edges.

    Of equally small ones the longest. In double precision, since cv2.minAreaRect is off by 1e-7.
    """
    edges = np.roll(hull, -1, axis=0) - hull
    along = edges / np.hypot(edges[:, 0], edges[:, 1])[:, None]
    across = np.column_stack([-along[:, 1], along[:, 0]])
    sides = np.sort(np.column_stack([np.ptp(hull @ along.T, axis=0), np.ptp(hull @ across.T, axis=0)]), axis=1)
    areas = sides.prod(axis=1)
    width, length = max(sides[areas <= areas.min() * (1 + 1e-9)].tolist(), key=lambda pair: pair[1])
    return length, width


def _border(mask: Mask) -> NDArray[np.int32]:
    """(n, 2) x, y: the pixels around the mask, each 8-connected to the next, the last one to the first."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(max(contours, key=len)[:, 0], np.int32)
