"""Arithmetic on maps (h, w) and pictures (h, w, 3): float32, light linear, lengths in mm."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""float32 wherever it is as large as the photo."""


def linear(srgb: Any) -> Array:
    """Linear light of 8-bit sRGB values (IEC 61966-2-1)."""
    value = np.asarray(srgb, np.float32) / np.float32(255)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def mixed(first: Array, second: Array, share: Array) -> Array:
    """Colours, (3,) or (..., 3), blended by `share` (...): 0 gives the first."""
    blend: Array = (second - first) * share[..., None]
    blend += first
    return blend


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 at `low`, 1 at `high`, smooth between and flat beyond; `low` may be the larger one."""
    share = np.clip((value - low) * (1 / (high - low)), 0, 1)
    curve: Array = share * share * (3 - 2 * share)
    return curve


def unit(vectors: Array) -> Array:
    """Vectors (..., n) at length 1."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    normed: Array = vectors / np.maximum(length, 1e-6)[..., None]
    return normed


def resized(plane: Array, shape: tuple[int, ...], *, smooth: bool = False) -> Array:
    """At another (h, w), between the pixels linear or, if `smooth`, cubic."""
    if plane.shape[:2] == shape[:2]:
        return plane
    way = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
    return cv2.resize(_float32(plane), shape[1::-1], interpolation=way).astype(np.float32, copy=False)


def shrunk(plane: Array, factor: float) -> Array:
    """Made smaller, each new pixel the mean of those it replaces."""
    size = (max(round(plane.shape[1] * factor), 1), max(round(plane.shape[0] * factor), 1))
    return cv2.resize(_float32(plane), size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def blurred(plane: Array, sigma_px: float) -> Array:
    """Gaussian; a wide one is made on a smaller copy."""
    if sigma_px > 8:
        return resized(blurred(shrunk(plane, 0.25), sigma_px / 4), plane.shape)
    return cv2.GaussianBlur(_float32(plane), (0, 0), sigma_px).astype(np.float32, copy=False)


def sampled(
    plane: NDArray[Any], x: Array, y: Array, *, beyond: int = cv2.BORDER_REPLICATE, way: int = cv2.INTER_LINEAR
) -> NDArray[Any]:
    """The values of `plane` at pixel places x, y (h, w); its own dtype."""
    return cv2.remap(plane, _float32(x), _float32(y), way, borderMode=beyond)


def slopes(relief: Array, mm_per_px: float) -> tuple[Array, Array]:
    """Slope (mm per mm) to the right and downward of a relief (h, w) in mm."""
    dx, dy = (cv2.Sobel(_float32(relief), cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / (8 * mm_per_px)) for x in (1, 0))
    return dx.astype(np.float32, copy=False), dy.astype(np.float32, copy=False)


def _float32(plane: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(plane, np.float32)
