"""What a chain found on one photo, held against what is true of it. All coordinates are pixels of the upright photo.

Labels are the same if they are by their folded names (`training.names`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loc360.wire import Box
from training.masks import Array, PlacedMask, box_ious, mask_iou
from training.names import folded
from training.precision import Tally, greedy_matches, tally

ANY_LABEL = None
NOTHING = ""
"""In `Comparison.pairs`: no find on an object, or no object under a find."""
SIZES = {"length": "mm", "width": "mm", "area": "mm2"}
"""What is measured of an object -> its unit."""

Pair = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """One true object. Without a label it goes with any; without a mask, mask figures leave it aside."""

    label: str | None
    box_px: Box
    mask: PlacedMask | None = None
    length_mm: float | None = None
    width_mm: float | None = None
    area_mm2: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One object as a chain sees it."""

    label: str | None
    box_px: Box
    score: float
    mask: PlacedMask | None = None
    length_mm: float | None = None
    width_mm: float | None = None
    area_mm2: float | None = None


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
    pairs: Mapping[Pair, int]
    """(true label, found label), folded, -> how many. A find is on one object (box IoU at least 0.5), the surest first;
    an object that is missed, and a find that is extra, stands with `NOTHING`."""
    sizes: Mapping[str, Array]
    """Of `SIZES`: (pairs, 2) true and found, where both are measured."""

    @property
    def found(self) -> int:
        return sum(count for (_, seen), count in self.pairs.items() if seen != NOTHING)

    @property
    def missed(self) -> int:
        return sum(count for (_, seen), count in self.pairs.items() if seen == NOTHING)

    @property
    def extra(self) -> int:
        """Finds that are on no object, or on one that has a find already."""
        return sum(count for (there, _), count in self.pairs.items() if there == NOTHING)

    @property
    def right(self) -> int:
        return sum(count for pair, count in self.pairs.items() if is_right(pair))

    @property
    def wrong_label(self) -> int:
        return self.found - self.extra - self.right


def is_right(pair: Pair) -> bool:
    there, seen = pair
    return NOTHING not in pair and there in (None, seen)


def compared(truth: Sequence[Truth], found: Sequence[Found]) -> Comparison:
    """One photo's finds, in any order, against its true objects."""
    by_box = box_ious([item.box_px for item in found], [item.box_px for item in truth])
    by_shape = _shape_ious(found, truth, by_box)
    matches = matched(found, by_box)
    none, maskless = np.zeros(len(truth), np.bool_), np.array([item.mask is None for item in truth], np.bool_)
    return Comparison(
        boxes=_tallies(found, truth, by_box, none),
        masks=_tallies(found, truth, by_shape, maskless),
        boxes_pooled=_pooled(found, truth, by_box, none),
        masks_pooled=_pooled(found, truth, by_shape, maskless),
        overlaps=by_shape.max(axis=0, initial=0.0),
        pairs=_pairs(found, truth, matches),
        sizes={name: _sizes(f"{name}_{unit}", found, truth, matches) for name, unit in SIZES.items()},
    )


def matched(found: Sequence[Found], by_box: Array) -> dict[int, int]:
    """Find -> the object it is on, whatever their labels; `by_box` is (found, truth)."""
    order = sorted(range(len(found)), key=lambda index: -found[index].score)
    matches = greedy_matches(by_box[order], np.zeros(by_box.shape[1], np.bool_))
    return {find: int(match) for find, match in zip(order, matches, strict=True) if match >= 0}


def name_of(item: Found | Truth) -> str | None:
    """Its folded label."""
    return folded(item.label) if item.label else None


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
    for label in ({name_of(item) for item in found} | {name_of(item) for item in truth}) - {None}:
        finds = np.array([name_of(item) == label for item in found], np.bool_)
        objects = np.array([name_of(item) == label for item in truth], np.bool_) | unlabelled
        tallies[label] = tally(scores[finds], ious[np.ix_(finds, objects)], (aside | unlabelled)[objects])
    return tallies


def _pooled(found: Sequence[Found], truth: Sequence[Truth], ious: Array, aside: NDArray[np.bool_]) -> Tally:
    """As `_tallies`, but of all labels together."""
    unlabelled = np.array([item.label is None for item in truth], np.bool_)
    fitting = np.array([[name_of(there) in (None, name_of(seen)) for there in truth] for seen in found], np.bool_)
    scores = np.array([item.score for item in found], np.float64)
    return tally(scores, ious * fitting.reshape(ious.shape), aside | unlabelled)


def _pairs(found: Sequence[Found], truth: Sequence[Truth], matches: Mapping[int, int]) -> Counter[Pair]:
    on_objects = [(name_of(truth[there]), name_of(found[seen])) for seen, there in matches.items()]
    missed = [(name_of(item), NOTHING) for index, item in enumerate(truth) if index not in matches.values()]
    extra = [(NOTHING, name_of(item)) for index, item in enumerate(found) if index not in matches]
    return Counter([*on_objects, *missed, *extra])


def _sizes(field: str, found: Sequence[Found], truth: Sequence[Truth], matches: Mapping[int, int]) -> Array:
    pairs = [(getattr(truth[there], field), getattr(found[seen], field)) for seen, there in matches.items()]
    return np.array([pair for pair in pairs if None not in pair], np.float64).reshape(-1, 2)
