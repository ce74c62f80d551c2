"""What a photo looks like and what was found on it, in a few numbers that can be compared with other photos'.

Training tells them of its photos, an endpoint of those it is asked about. A number that changes its meaning changes its
name: an archive may be older than the container that serves it. Pure numpy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Facts = dict[str, float]
"""Of one photo, by name; one that can't be told is not there."""
Statistics = dict[str, dict[str, Any]]
"""By name: inner `edges` of the bins (the outer ones are open) and `counts`, how many photos each bin holds."""

EDGES: Mapping[str, tuple[float, ...]] = {
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "saturation": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "sharpness": (-4.5, -4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0),
    "aspect": (0.6, 0.8, 1.0, 1.25, 1.67),
    "sent_side_px": (256, 384, 512, 640, 768, 896, 1000),
    **{f"impression_{number}": (-1.5, -0.75, 0.0, 0.75, 1.5) for number in range(1, 5)},
    "finds": (0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5),
    "score": (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
    "size": (0.02, 0.04, 0.06, 0.08, 0.11, 0.15, 0.2, 0.3, 0.45),
    "filled": (0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
}
"""Fixed, since edges fitted to the reference would make it unlike any other sample of the same photos."""
OUTPUTS = frozenset({"finds", "score", "size", "filled"})
"""What a model says; the others are what it is shown."""
_SIDE_PX = 256


def photo_facts(image: NDArray[np.uint8]) -> Facts:
    """Of a photo (h, w, 3) RGB as the detector gets it."""
    height_px, width_px = image.shape[:2]
    return looks(image) | {"aspect": width_px / height_px, "sent_side_px": float(max(width_px, height_px))}


def crop_facts(image: NDArray[np.uint8]) -> Facts:
    """Of a crop (h, w, 3) RGB as the segmenter gets it; how sharp one is depends on the camera's resolution."""
    return {name: value for name, value in looks(image).items() if name != "sharpness"}


def impression_facts(impression: Sequence[float]) -> Facts:
    """What the photo is like to the detector's encoder: numbers of about mean 0 and deviation 1 over its training."""
    return {f"impression_{number}": float(value) for number, value in enumerate(impression, start=1)}


def find_facts(boxes: Sequence[Sequence[float]], scores: Sequence[float], width_px: int, height_px: int) -> Facts:
    """Of the finds on one photo: how many, their mean score, their median size, a box's being the root of its share.

    `boxes`: edges in pixels of the photo of that size. One number a photo: its finds are no independent witnesses.
    """
    if not len(boxes):
        return {"finds": 0.0}
    edges = np.asarray(boxes, np.float64)
    areas = np.clip(edges[:, 2:] - edges[:, :2], 0, None).prod(axis=1)
    size = float(np.median(np.sqrt(areas / (width_px * height_px))))
    return {"finds": float(len(edges)), "score": float(np.mean(scores)), "size": size}


def mask_facts(mask: NDArray[np.bool_], box: Sequence[float]) -> Facts:
    """How much of the box (edges in pixels of the mask) the mask would fill."""
    area = max((box[2] - box[0]) * (box[3] - box[1]), 1.0)
    return {"filled": float(np.count_nonzero(mask) / area)}


def looks(image: NDArray[np.uint8]) -> Facts:
    """Of (h, w, 3) RGB: mean brightness and saturation (HSV), 0 to 1, and sharpness.

    Sharpness is the decimal logarithm of the variance of the Laplacian at a long side of about 256 pixels (Pech-Pacheco
    et al., ICPR 2000).
    """
    small = _shrunk(image)
    red, green, blue = np.moveaxis(small, 2, 0)
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    grey = small @ np.array([0.299, 0.587, 0.114])
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    edges = around - 4 * grey[1:-1, 1:-1]
    return {
        "brightness": float(most.mean()),
        "saturation": float(np.divide(most - least, most, out=np.zeros_like(most), where=most > 0).mean()),
        "sharpness": float(np.log10(max(edges.var() if edges.size else 0.0, 1e-8))),
    }


def statistics(photos: Sequence[Facts]) -> Statistics:
    """Of every number that any of the photos has."""
    values = {name: [photo[name] for photo in photos if name in photo] for name in EDGES}
    return {
        name: {"edges": list(EDGES[name]), "counts": counted(of_photos, EDGES[name]).tolist()}
        for name, of_photos in values.items()
        if of_photos
    }


def counted(values: Sequence[float], edges: Sequence[float]) -> NDArray[np.int64]:
    """(len(edges) + 1,): how many of the values each bin holds."""
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(h, w, 3) in 0..1, means of whole blocks; a rest at the right and lower edge is left out."""
    block = max(1, max(image.shape[:2]) // _SIDE_PX)
    height, width = (max(side // block, 1) for side in image.shape[:2])
    whole = image[: height * block, : width * block]
    if block == 1 or not all(whole.shape):
        return whole / 255.0
    down, across = whole.shape[0] // height, whole.shape[1] // width
    rows = whole.reshape(height, down, -1).sum(axis=1, dtype=np.uint32).reshape(height, width, across, 3)
    sums = sum(rows[:, :, column] for column in range(across))  # quicker than along an axis in the middle
    return np.asarray(sums / (down * across) / 255.0)
