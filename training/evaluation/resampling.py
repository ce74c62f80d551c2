"""What the figures would be on other photos of the kind: the bootstrap, and bounds that are wide enough for few photos.

Percentile bootstrap (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13) over whole groups of photos:
objects of one photo, and photos of one plant or plot, are no independent witnesses.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.evaluation.comparison import Comparison
from training.evaluation.figures import figures
from training.masks import Array

RESAMPLES = 1000
LEAST_GROUPS = 2
"""That tell something; of fewer there is no spread."""

_BATCH = 100
_Z = 1.959964
_T_OF_FEW = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764}


def telling_groups(photos: Sequence[Comparison], groups: Sequence[str] | None = None) -> int:
    """How many groups hold a true object. `groups`: one name a photo; None: each photo is its own."""
    return len({group for group, photo in zip(_indices(photos, groups), photos, strict=True) if len(photo.overlaps)})


def resampled(
    photos: Sequence[Comparison], groups: Sequence[str] | None, resamples: int, seed: int
) -> dict[str, Array]:
    """Figure -> (resamples,). In batches, to bound the memory that many finds take."""
    group_of_photo = _indices(photos, groups)
    count = int(group_of_photo.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    weights = drawn.astype(np.float64)[:, group_of_photo]
    batches = [figures(photos, weights[start : start + _BATCH]) for start in range(0, resamples, _BATCH)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def bounds(seen: float, values: Array, groups: int, within: tuple[float, float]) -> tuple[float, float]:
    """95 % bounds of a figure: `seen` on the photos, `values` (resamples,) on those drawn, with `groups` that tell.

    The percentiles' distances from what was seen are widened by t(n - 1) / z * sqrt(n / (n - 1)): percentiles alone are
    too narrow for few groups (Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician
    69(4), 2015, section 3.2 and "expanded percentile interval").
    """
    low, high = np.nanpercentile(values, (2.5, 97.5))
    wider = students_t(groups - 1) / _Z * math.sqrt(groups / (groups - 1))
    reach_down, reach_up = max(seen - float(low), 0.0) * wider, max(float(high) - seen, 0.0) * wider
    return max(seen - reach_down, within[0]), min(seen + reach_up, within[1])


def students_t(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution, within 0.2 %.

    Source: Abramowitz & Stegun, "Handbook of Mathematical Functions", 26.7.5; below 5 degrees of freedom a table.
    """
    if freedom in _T_OF_FEW:
        return _T_OF_FEW[freedom]
    z = _Z
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def _indices(photos: Sequence[Comparison], groups: Sequence[str] | None) -> NDArray[np.intp]:
    """(photos,) the number of each one's group."""
    if groups is None:
        return np.arange(len(photos))
    if len(groups) != len(photos):
        raise ValueError(f"Not one group a photo: {len(groups)} for {len(photos)}.")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[name] for name in groups], np.intp)
