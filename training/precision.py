"""Average precision at one overlap, as COCO defines it, for many weightings of the photos at once.

Source: pycocotools' COCOeval (github.com/cocodataset/cocoapi): greedy matching by score, 101 recall thresholds, the
precision at a recall being the best at that recall or a higher one. Three differences: no limit on finds per photo, no
size ranges, and finds with equal scores count as one step, so that the order of photos can't matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.masks import Array

OVERLAP = 0.5
"""IoU from which a find counts as being on an object."""

_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What one photo says of one class."""

    scores: Array
    """(finds,) of those on no ignored object."""
    right: NDArray[np.bool_]
    """(finds,)"""
    objects: int
    """True ones, ignored ones not counted."""


def greedy_matches(ious: Array, ignored: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(finds,) the true object that each find is on; -1 if none.

    `ious` is (finds, objects), finds best first: each takes the object it overlaps most of those still free, an
    ignored one only if there is no other.
    """
    free = np.ones(len(ignored), np.bool_)
    matches = np.full(len(ious), -1, np.intp)
    for find, overlaps in enumerate(ious):
        for group in (~ignored, ignored):
            open_to = np.flatnonzero(free & group & (overlaps >= OVERLAP))
            if open_to.size:
                best = open_to[::-1][np.argmax(overlaps[open_to[::-1]])]  # of equals the last, as pycocotools has it
                matches[find], free[best] = best, False
                break
    return matches


def tally(scores: Array, ious: Array, ignored: NDArray[np.bool_]) -> Tally:
    """Match finds (any order) with objects. `scores` (finds,), `ious` (finds, objects), `ignored` (objects,)."""
    best_first = np.argsort(-scores, kind="stable")
    matches = greedy_matches(ious[best_first], ignored)
    on_object = matches >= 0
    aside = on_object.copy()
    aside[on_object] = ignored[matches[on_object]]
    return Tally(scores[best_first][~aside], on_object[~aside], int(np.count_nonzero(~ignored)))


def of_photos(values: Sequence[Array]) -> tuple[NDArray[np.intp], Array]:
    """All photos' values in one row (n,), and (n,) the number of the photo that each comes from."""
    counts = np.array([len(item) for item in values], np.intp)
    return np.repeat(np.arange(len(values)), counts), np.concatenate([*values, np.zeros(0)])


def average_precision(tallies: Sequence[Tally], weights: Array) -> Array:
    """(samples,) average precision of one class; NaN where a sample has no object of it.

    One tally per photo. `weights` is (samples, photos): how often each sample holds each photo.
    """
    photo, scores = of_photos([item.scores for item in tallies])
    _, is_right = of_photos([item.right.astype(np.float64) for item in tallies])
    best_first = np.argsort(-scores)
    photo, scores, is_right = photo[best_first], scores[best_first], is_right[best_first]
    step = np.diff(scores, append=-np.inf) != 0
    times = weights[:, photo]
    right, all_finds = np.cumsum(times * is_right, axis=1)[:, step], np.cumsum(times, axis=1)[:, step]
    objects = weights @ np.array([item.objects for item in tallies], np.float64)

    precision = np.divide(right, all_finds, out=np.zeros_like(right), where=all_finds > 0)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = right / np.where(objects > 0, objects, 1)[:, None]
    thresholds_reached = np.searchsorted(_RECALLS, recall, side="right")
    averaged = (best_from_here * np.diff(thresholds_reached, axis=1, prepend=0)).sum(axis=1) / len(_RECALLS)
    return np.where(objects > 0, averaged, np.nan)
