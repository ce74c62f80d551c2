"""Does a noisy series grow? Theil-Sen's slope, the median of all slopes between two points, with Sen's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.96
POINTS = 60
"""Neighbouring samples tell of the same moment, so a series is cut to so many medians first."""
LEAST_POINTS = 8


@dataclass(frozen=True, slots=True)
class Slope:
    """Per unit of time, with its 95 % interval."""

    value: float
    low: float
    high: float


def thinned(times: Sequence[float], values: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Medians of neighbouring samples, at most POINTS of them."""
    parts = min(POINTS, len(times))
    cut = (np.array_split(np.asarray(series, np.float64), parts) for series in (times, values))
    medians = [np.array([np.median(part) for part in series]) for series in cut]
    return medians[0], medians[1]


def slope(times: Sequence[float], values: Sequence[float]) -> Slope | None:
    """None if there are too few points to tell."""
    if len(times) < LEAST_POINTS:
        return None
    t, v = thinned(times, values)
    one, other = np.triu_indices(len(t), k=1)
    slopes = np.sort((v[other] - v[one]) / (t[other] - t[one]))
    n, pairs = len(t), len(slopes)
    reach = Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)  # of Kendall's S, had the series no trend
    low = max(0, math.floor((pairs - reach) / 2))
    high = min(pairs - 1, math.ceil((pairs + reach) / 2))
    return Slope(float(np.median(slopes)), float(slopes[low]), float(slopes[high]))
