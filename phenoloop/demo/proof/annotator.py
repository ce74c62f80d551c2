"""The simulated annotator's judgement: a pre-annotated region is left, corrected or deleted, a missing one added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from phenoloop.demo.proof.known import KnownObject
from phenoloop.labelling.annotated import AnnotatedRegion
from phenoloop.labelling.geometry import Box, Mask


class Verdict(Enum):
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    DELETED = "deleted"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Habits:
    leaves_from_iou: float = 0.9
    """An outline this good is left as it is."""
    corrects_from_iou: float = 0.3
    """A worse one is no help: it is deleted, and its object drawn anew."""


@dataclass(frozen=True, slots=True)
class Decision:
    verdict: Verdict
    predicted: AnnotatedRegion | None
    """None if added."""
    known: KnownObject | None
    """None if deleted."""


def decisions(
    predicted: Iterable[AnnotatedRegion], known: Sequence[KnownObject], habits: Habits = Habits()
) -> list[Decision]:
    """One for each predicted region, in their order, then one for each object that was missed.

    Objects are paired with regions best overlap first. Regions that hang under another one belong to it.
    """
    regions = [region for region in predicted if not region.parent_id]
    pairs = _pairs(regions, known, habits.corrects_from_iou)
    judged = [_judged(region, pairs.get(index), known, habits) for index, region in enumerate(regions)]
    seen = {paired for paired, _ in pairs.values()}
    return judged + [Decision(Verdict.ADDED, None, known[i]) for i in range(len(known)) if i not in seen]


@dataclass(frozen=True, slots=True)
class Shares:
    """What became of the regions of some pre-annotations."""

    accepted: int = 0
    corrected: int = 0
    deleted: int = 0
    added: int = 0

    @classmethod
    def of(cls, made: Iterable[Decision]) -> Shares:
        return cls(**Counter(decision.verdict.value for decision in made))

    @property
    def predicted(self) -> int:
        return self.accepted + self.corrected + self.deleted

    def share(self, verdict: Verdict) -> float:
        """Of the pre-annotated regions; of the added ones, of those that the annotation holds in the end."""
        kept = self.accepted + self.corrected + self.added
        whole = kept if verdict is Verdict.ADDED else self.predicted
        return float(getattr(self, verdict.value)) / whole if whole else 0.0


def overlap(region: AnnotatedRegion, known: KnownObject) -> float:
    """Intersection over union: of the masks if both have one, else of the boxes."""
    if region.mask is None or known.mask is None:
        return _box_iou(region.box_px, known.box_px)
    shared = _shared_pixels(region.mask, region.origin_px, known.mask, known.origin_px)
    union = np.count_nonzero(region.mask) + np.count_nonzero(known.mask) - shared
    return shared / union if union else 0.0


def _pairs(
    regions: Sequence[AnnotatedRegion], known: Sequence[KnownObject], least_iou: float
) -> Mapping[int, tuple[int, float]]:
    """By region: the object that it shows, and their overlap."""
    overlaps = [(overlap(region, thing), r, k) for r, region in enumerate(regions) for k, thing in enumerate(known)]
    pairs: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for iou, region, thing in sorted(overlaps, key=lambda found: (-found[0], found[1:])):
        if iou >= least_iou and region not in pairs and thing not in taken:
            pairs[region] = thing, iou
            taken.add(thing)
    return pairs


def _judged(
    region: AnnotatedRegion, pair: tuple[int, float] | None, known: Sequence[KnownObject], habits: Habits
) -> Decision:
    if pair is None:
        return Decision(Verdict.DELETED, region, None)
    index, iou = pair
    right = iou >= habits.leaves_from_iou and region.label == known[index].label
    return Decision(Verdict.ACCEPTED if right else Verdict.CORRECTED, region, known[index])


def _box_iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    union = _area(one) + _area(other) - shared
    return shared / union if union else 0.0


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared_pixels(one: Mask, one_at: tuple[int, int], other: Mask, other_at: tuple[int, int]) -> int:
    x, y = other_at[0] - one_at[0], other_at[1] - one_at[1]  # of the other, in the frame of the one
    left, top = max(0, x), max(0, y)
    right, bottom = min(one.shape[1], x + other.shape[1]), min(one.shape[0], y + other.shape[0])
    if right <= left or bottom <= top:
        return 0
    return int(np.count_nonzero(one[top:bottom, left:right] & other[top - y : bottom - y, left - x : right - x]))
