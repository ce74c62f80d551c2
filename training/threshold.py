"""From which score on a detector's finds are shown: too low, and annotators delete; too high, and they draw."""

from collections.abc import Sequence

import numpy as np

from training.precision import Tally, of_photos

LEAST, MOST = 0.2, 0.6
USUAL = 0.45
"""Where too few objects are known to tell."""
LEAST_OBJECTS = 50
_STEP = 0.01
_SMOOTHED = 9
"""Steps that are averaged: single finds of few photos must not decide."""


def best_threshold(photos: Sequence[Tally]) -> float:
    """Of the best F1 (van Rijsbergen, 1979) over all finds of all photos, the lowest of equals; `USUAL` without one.

    `photos`: of each photo all labels together, a find being right on an object of its own label.
    """
    objects = sum(photo.objects for photo in photos)
    if objects < LEAST_OBJECTS:
        return USUAL
    _, scores = of_photos([photo.scores for photo in photos])
    _, right = of_photos([photo.right.astype(np.float64) for photo in photos])
    beyond = _SMOOTHED // 2
    steps = np.arange(-beyond, round((MOST - LEAST) / _STEP) + 1 + beyond)
    shown = scores >= (LEAST + _STEP * steps)[:, None] - 1e-9
    f1 = 2 * (shown * right).sum(axis=1) / (shown.sum(axis=1) + objects)
    smooth = np.convolve(f1, np.full(_SMOOTHED, 1 / _SMOOTHED), "valid")
    if not smooth.max() > 0:
        return USUAL
    best = int(np.flatnonzero(smooth >= smooth.max() - 1e-9)[0])
    return round(LEAST + _STEP * best, 2)
