"""What a chain found on one photo, held against what is true of it. All coordinates are pixels of the upright photo.

Labels are the same if they are by their folded names (`training.names`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loc360.wire import Box
from training.masks import Array, PlacedMask, box_ious, mask_iou
from training.names import folded
from training.precision import Tally, greedy_matches, tally

ANY_LABEL = None


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """One true object. Without a label it goes with any; without a mask, mask figures leave it aside."""

    label: str | None
    box_px: Box
    mask: PlacedMask | None = None
    length_mm: float | None = None
    width_mm: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One object as a chain sees it."""

    label: str | None
    box_px: Box
    score: float
    mask: PlacedMask | None = None
    length_mm: float | None = None
    width_mm: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What one photo contributes to every figure."""

    boxes: dict[str | None, Tally]
    """By folded label; `ANY_LABEL` holds all finds and objects, whatever their labels."""
    masks: dict[str | None, Tally]
    boxes_pooled: Tally
    """All finds of all labels; right is one on an object of its own label, and any other is wrong."""
    masks_pooled: Tally
    overlaps: Array
    """(objects,) IoU of each with the find that fits it best, 0 if there is none: of masks where it has one."""
    found: int
    missed: int
    """True objects that no find is on (box IoU below 0.5, one find per object, the surest first)."""
    extra: int
    """Finds that are on no object, or on one that has a find already."""
    wrong_label: int
    """Finds on an object of another label."""
    length_errors_mm: Array
    """(objects with a find, both measured) found minus true."""
    width_errors_mm: Array
    length_error_shares: Array
    """(objects with a find, both measured) the absolute error over the true length."""
    width_error_shares: Array


def compared(truth: Sequence[Truth], found: Sequence[Found]) -> Comparison:
    """One photo's finds, in any order, against its true objects."""
    by_box = box_ious([item.box_px for item in found], [item.box_px for item in truth])
    by_shape = _shape_ious(found, truth, by_box)
    pairs = _pairs(found, truth, by_box)
    lengths = _sizes([(seen.length_mm, there.length_mm) for seen, there in pairs])
    widths = _sizes([(seen.width_mm, there.width_mm) for seen, there in pairs])
    none, maskless = np.zeros(len(truth), np.bool_), np.array([item.mask is None for item in truth], np.bool_)
    return Comparison(
        boxes=_tallies(found, truth, by_box, none),
        masks=_tallies(found, truth, by_shape, maskless),
        boxes_pooled=_pooled(found, truth, by_box, none),
        masks_pooled=_pooled(found, truth, by_shape, maskless),
        overlaps=by_shape.max(axis=0, initial=0.0),
        found=len(found),
        missed=len(truth) - len(pairs),
        extra=len(found) - len(pairs),
        wrong_label=sum(there.label is not None and _name(there) != _name(seen) for seen, there in pairs),
        length_errors_mm=_errors(lengths),
        width_errors_mm=_errors(widths),
        length_error_shares=_error_shares(lengths),
        width_error_shares=_error_shares(widths),
    )


def _shape_ious(found: Sequence[Found], truth: Sequence[Truth], by_box: Array) -> Array:
    """(found, truth): of the masks where the true object has one (a find without scores 0), else of the boxes."""
    ious = by_box.copy()
    for column, there in enumerate(truth):
        if there.mask is not None:
            ious[:, column] = [mask_iou(seen.mask, there.mask) if seen.mask else 0.0 for seen in found]
    return ious


def _tallies(
    found: Sequence[Found], truth: Sequence[Truth], ious: Array, aside: NDArray[np.bool_]
) -> dict[str | None, Tally]:
    """`aside` (truth,): objects that don't count here. With a label asked for, those without one don't either."""
    scores = np.array([item.score for item in found], np.float64)
    tallies: dict[str | None, Tally] = {ANY_LABEL: tally(scores, ious, aside)}
    unlabelled = np.array([item.label is None for item in truth], np.bool_)
    for label in ({_name(item) for item in found} | {_name(item) for item in truth}) - {None}:
        finds = np.array([_name(item) == label for item in found], np.bool_)
        objects = np.array([_name(item) == label for item in truth], np.bool_) | unlabelled
        tallies[label] = tally(scores[finds], ious[np.ix_(finds, objects)], (aside | unlabelled)[objects])
    return tallies


def _pooled(found: Sequence[Found], truth: Sequence[Truth], ious: Array, aside: NDArray[np.bool_]) -> Tally:
    """As `_tallies`, but of all labels together."""
    unlabelled = np.array([item.label is None for item in truth], np.bool_)
    fitting = np.array([[_name(there) in (None, _name(seen)) for there in truth] for seen in found], np.bool_)
    scores = np.array([item.score for item in found], np.float64)
    return tally(scores, ious * fitting.reshape(ious.shape), aside | unlabelled)


def _name(item: Found | Truth) -> str | None:
    return None if item.label is None else folded(item.label)


def _pairs(found: Sequence[Found], truth: Sequence[Truth], by_box: Array) -> list[tuple[Found, Truth]]:
    order = sorted(range(len(found)), key=lambda index: -found[index].score)
    matches = greedy_matches(by_box[order], np.zeros(len(truth), np.bool_))
    return [(found[find], truth[match]) for find, match in zip(order, matches, strict=True) if match >= 0]


def _sizes(pairs: Sequence[tuple[float | None, float | None]]) -> list[tuple[float, float]]:
    return [(seen, there) for seen, there in pairs if seen is not None and there is not None]


def _errors(sizes: Sequence[tuple[float, float]]) -> Array:
    return np.array([seen - there for seen, there in sizes], np.float64)


def _error_shares(sizes: Sequence[tuple[float, float]]) -> Array:
    return np.array([abs(seen - there) / there for seen, there in sizes if there > 0], np.float64)
