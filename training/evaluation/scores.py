"""How good a chain is on photos whose truth is known, how sure that is, and whether another chain is better.

Figures, all over the photos as a whole: average precision at IoU 0.5 of boxes and of masks (see `training.precision`),
with labels and regardless of them; mean IoU; precision, recall and F1 of the finds that the chain shows; errors of
count, length, width and area. Of average precision with labels there are two: COCO's mean over the labels that the
truth holds, and the pooled one, a single curve over all finds, where one must have the right label and every other one
is wrong. `quality` is the one that decides: the mean of both pooled ones, of boxes alone if no true object has a mask.
COCO's mean is too noisy for that where a label has two objects, and there invented labels are free.

True objects without a label are COCO's ignored objects in the figures with labels: a find on one is neither right nor
wrong. If no true object has a label, those figures are the ones regardless of labels.

Intervals are of 95 %, from resampled groups of photos: see `training.evaluation.resampling`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.comparison import Comparison, Found, Truth, compared
from training.evaluation.figures import figures, precision_by_label
from training.evaluation.resampling import LEAST_GROUPS, RESAMPLES, bounds, resampled, telling_groups
from training.masks import Array, PlacedMask

__all__ = ["ChainScores", "Comparison", "Found", "Gain", "Interval", "PlacedMask", "Truth", "chain_scores",
           "compared", "gain", "intervals"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChainScores:
    """None where the photos can't tell: no object, no mask, no measured pair."""

    quality: float | None
    box_ap50_pooled: float | None
    mask_ap50_pooled: float | None
    box_ap50: float | None
    box_ap50_any_label: float | None
    mask_ap50: float | None
    mask_ap50_any_label: float | None
    mean_iou: float | None
    """Of each true object with the find that fits it best; one without counts 0. Masks where the object has one."""
    precision: float | None
    """Of the finds that the chain shows, those on an object of their label (box IoU at least 0.5, labels aside)."""
    recall: float | None
    f1: float | None
    count_mean_error_objects: float | None
    """Of a photo: how many are found, minus how many are there; absolute."""
    length_median_error_mm: float | None
    """Absolute errors, of objects with a find on them (box IoU at least 0.5)."""
    length_mean_error_mm: float | None
    length_median_error_share: float | None
    """Absolute errors over the true lengths, of the same objects."""
    width_median_error_mm: float | None
    width_mean_error_mm: float | None
    width_median_error_share: float | None
    area_median_error_mm2: float | None
    area_mean_error_mm2: float | None
    area_median_error_share: float | None
    objects: int
    found: int
    missed: int
    extra: int
    wrong_label: int
    box_ap50_by_label: dict[str, float]
    mask_ap50_by_label: dict[str, float]


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gain:
    """Candidate minus live."""

    mean: float
    """On the photos as they are."""
    low: float
    high: float


def chain_scores(photos: Sequence[Comparison]) -> ChainScores:
    once = np.ones((1, len(photos)))
    known = {name: _number(values[0]) for name, values in figures(photos, once).items()}
    return ChainScores(
        **known,
        objects=sum(len(photo.overlaps) for photo in photos),
        found=sum(photo.found for photo in photos),
        missed=sum(photo.missed for photo in photos),
        extra=sum(photo.extra for photo in photos),
        wrong_label=sum(photo.wrong_label for photo in photos),
        box_ap50_by_label=precision_by_label([photo.boxes for photo in photos], once),
        mask_ap50_by_label=precision_by_label([photo.masks for photo in photos], once),
    )


def intervals(
    photos: Sequence[Comparison],
    groups: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """Figure -> 95 % interval; figures that the photos can't tell are left out, all if there are no two witnesses.

    `groups` (one name a photo): photos of one are one witness. None: each photo is its own.
    """
    count = telling_groups(photos, groups)
    if count < LEAST_GROUPS:
        return {}
    seen = figures(photos, np.ones((1, len(photos))))
    drawn = resampled(photos, groups, resamples, seed)
    return {
        name: Interval(*bounds(float(seen[name][0]), values, count, _range(name)))
        for name, values in drawn.items()
        if np.isfinite(seen[name][0]) and np.isfinite(values).any()
    }


def gain(
    candidate: Sequence[Comparison],
    live: Sequence[Comparison],
    groups: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Gain]:
    """Figure -> how much higher the candidate's is; both on the same photos in the same order, resampled alike.

    Of errors a negative one is the better. Figures that the photos can't tell are left out. `groups` as for
    `intervals`; with less than two witnesses errors are left out, and the other gains lie anywhere from -1 to 1.
    """
    if len(candidate) != len(live):
        raise ValueError(f"Not the same photos: {len(candidate)} and {len(live)}.")
    once = np.ones((1, len(live)))
    differences = _differences(figures(candidate, once), figures(live, once))
    seen = {name: float(values[0]) for name, values in differences.items() if np.isfinite(values[0])}
    count = telling_groups(live, groups)
    if count < LEAST_GROUPS:
        return {name: Gain(value, -1.0, 1.0) for name, value in seen.items() if not is_error(name)}
    drawn = _differences(resampled(candidate, groups, resamples, seed), resampled(live, groups, resamples, seed))
    return {
        name: Gain(value, *bounds(value, drawn[name], count, _range_of_differences(name)))
        for name, value in seen.items()
        if np.isfinite(drawn[name]).any()
    }


def is_error(figure: str) -> bool:
    """Whether the figure is one of those that had better be low."""
    return "_error_" in figure


def _range(figure: str) -> tuple[float, float]:
    return (0.0, np.inf) if is_error(figure) else (0.0, 1.0)


def _range_of_differences(figure: str) -> tuple[float, float]:
    return (-np.inf, np.inf) if is_error(figure) else (-1.0, 1.0)


def _differences(candidate: dict[str, Array], live: dict[str, Array]) -> dict[str, Array]:
    return {name: values - live[name] for name, values in candidate.items()}


def _number(value: NDArray[np.float64]) -> float | None:
    return float(value) if np.isfinite(value) else None
