"""What training photos look like, in a few numbers, to be told later whether photos of today look different.

Distance: the population stability index (Siddiqi, "Credit Risk Scorecards", Wiley 2006); customary reading: below 0.1
the same, above 0.25 another population. Pure numpy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loc360.wire import Image

EDGES: Mapping[str, tuple[float, ...]] = {
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "saturation": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "sharpness": (-4.5, -4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0),
    "long_side_px": (640, 1024, 1600, 2400, 3600, 5000),
    "aspect": (0.6, 0.8, 1.0, 1.25, 1.67),
    "objects": (0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5),
}
"""Inner edges of each histogram's bins; the outer bins are open."""
_SIDE_PX = 256
_UNSEEN = 0.5
"""Photos that each bin is thought to hold beyond those counted, so that empty bins say little."""

Statistics = dict[str, dict[str, Any]]


def looks(image: Image) -> dict[str, float]:
    """Of one photo (h, w, 3) uint8 RGB: mean brightness and saturation (HSV), 0 to 1, and sharpness.

    Sharpness is the decimal logarithm of the variance of the Laplacian at a long side of about 256 pixels (Pech-Pacheco
    et al., ICPR 2000).
    """
    small = _shrunk(image)
    most, least = small.max(axis=2), small.min(axis=2)
    grey = small @ np.array([0.299, 0.587, 0.114])
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    edges = around - 4 * grey[1:-1, 1:-1]
    return {
        "brightness": float(most.mean()),
        "saturation": float(np.divide(most - least, most, out=np.zeros_like(most), where=most > 0).mean()),
        "sharpness": float(np.log10(max(edges.var() if edges.size else 0.0, 1e-8))),
    }


def seen(image: Image, width_px: int, height_px: int, objects: int) -> dict[str, float]:
    """All that is told of one photo: `looks`, its full size, and how many objects are on it."""
    sizes = {"long_side_px": float(max(width_px, height_px)), "aspect": width_px / height_px}
    return looks(image) | sizes | {"objects": float(objects)}


def statistics(photos: Sequence[Mapping[str, float]]) -> Statistics:
    """Of photos as `seen`: of each number mean, standard deviation, and how many photos each bin of EDGES holds."""
    return {
        name: _described(np.array([photo[name] for photo in photos]), edges)
        for name, edges in EDGES.items()
        if photos and name in photos[0]
    }


def stability_index(reference: Statistics, current: Statistics) -> dict[str, float]:
    """Of each number that both know: 0 for the same distribution, without upper bound."""
    return {
        name: _index(np.array(reference[name]["counts"]), np.array(current[name]["counts"]))
        for name in reference
        if name in current
    }


def _described(values: NDArray[np.float64], edges: Sequence[float]) -> dict[str, Any]:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return {
        "mean": round(float(values.mean()), 4),
        "std": round(float(values.std()), 4),
        "edges": list(edges),
        "counts": counts.tolist(),
    }


def _index(reference: NDArray[np.int64], current: NDArray[np.int64]) -> float:
    was, now = ((counts + _UNSEEN) / (counts + _UNSEEN).sum() for counts in (reference, current))
    return float(((now - was) * np.log(now / was)).sum())


def _shrunk(image: Image) -> NDArray[np.float64]:
    """(h, w, 3) in 0..1, means of whole blocks; a rest at the right and lower edge is left out."""
    block = max(1, max(image.shape[:2]) // _SIDE_PX)
    height, width = (max(side // block, 1) for side in image.shape[:2])
    whole = image[: height * block, : width * block]
    if block == 1 or not all(whole.shape):
        return whole / 255.0
    blocks = whole.reshape(height, whole.shape[0] // height, width, whole.shape[1] // width, 3)
    return np.asarray(blocks.mean(axis=(1, 3)) / 255.0)
