"""How good a chain is on photos whose truth is known, how sure that is, and whether another chain is better.

Figures, all over the photos as a whole: average precision at IoU 0.5 of boxes and of masks (see `training.precision`),
with labels (mean over the labels that the truth holds) and regardless of them; mean IoU; errors of length and width;
counts. `quality` is the one that decides: the mean of both average precisions with labels, of boxes alone if no true
object has a mask.

True objects without a label are COCO's ignored objects in the figures with labels: a find on one is neither right nor
wrong. If no true object has a label, those figures are the ones regardless of labels.

Intervals hold 95 % of the figures of resampled photos (percentile bootstrap; Efron & Tibshirani, "An Introduction to
the Bootstrap", 1993, ch. 13). Photos are drawn whole: objects of one photo are no independent witnesses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.comparison import Comparison, Found, Truth, compared
from training.figures import figures, precision_by_label
from training.masks import Array, PlacedMask

__all__ = ["ChainScores", "Comparison", "Found", "Gain", "Interval", "PlacedMask", "Truth", "chain_scores",
           "compared", "gain", "intervals"]  # fmt: skip

RESAMPLES = 1000
_BATCH = 100


@dataclass(frozen=True, slots=True)
class ChainScores:
    """None where the photos can't tell: no object, no mask, no measured pair."""

    quality: float | None
    box_ap50: float | None
    box_ap50_any_label: float | None
    mask_ap50: float | None
    mask_ap50_any_label: float | None
    mean_iou: float | None
    """Of each true object with the find that fits it best; one without counts 0. Masks where the object has one."""
    length_median_error_mm: float | None
    """Absolute errors, of objects with a find on them (box IoU at least 0.5)."""
    length_mean_error_mm: float | None
    width_median_error_mm: float | None
    width_mean_error_mm: float | None
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


def intervals(photos: Sequence[Comparison], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Interval]:
    """Figure -> 95 % interval; figures that the photos can't tell are left out."""
    drawn = _resampled(photos, resamples, seed)
    return {name: Interval(*_bounds(values)) for name, values in drawn.items() if np.isfinite(values).any()}


def gain(
    candidate: Sequence[Comparison], live: Sequence[Comparison], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Gain]:
    """Figure -> how much higher the candidate's is; both on the same photos in the same order, resampled alike.

    Of errors a negative one is the better. Figures that the photos can't tell are left out.
    """
    if len(candidate) != len(live):
        raise ValueError(f"Not the same photos: {len(candidate)} and {len(live)}.")
    once = np.ones((1, len(live)))
    seen = _differences(figures(candidate, once), figures(live, once))
    drawn = _differences(_resampled(candidate, resamples, seed), _resampled(live, resamples, seed))
    return {
        name: Gain(float(seen[name][0]), *_bounds(values))
        for name, values in drawn.items()
        if np.isfinite(seen[name][0]) and np.isfinite(values).any()
    }


def _resampled(photos: Sequence[Comparison], resamples: int, seed: int) -> dict[str, Array]:
    """Figure -> (resamples,). In batches, to bound the memory that many finds take."""
    count = len(photos)
    if not count:
        return {}
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples).astype(np.float64)
    batches = [figures(photos, weights[start : start + _BATCH]) for start in range(0, resamples, _BATCH)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _differences(candidate: dict[str, Array], live: dict[str, Array]) -> dict[str, Array]:
    return {name: values - live[name] for name, values in candidate.items()}


def _bounds(values: Array) -> tuple[float, float]:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def _number(value: NDArray[np.float64]) -> float | None:
    return float(value) if np.isfinite(value) else None
