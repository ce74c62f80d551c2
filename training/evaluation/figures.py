"""The figures that tell how good a chain is, over many photos at once and for many weightings of them."""

from collections.abc import Sequence

import numpy as np

from training.evaluation.comparison import ANY_LABEL, SIZES, Comparison
from training.masks import Array
from training.precision import Tally, average_precision, of_photos

_EMPTY = Tally(np.zeros(0), np.zeros(0, np.bool_), 0)


def figures(photos: Sequence[Comparison], weights: Array) -> dict[str, Array]:
    """Figure -> (samples,), NaN where a sample can't tell. `weights` (samples, photos): how often each is in each."""
    boxes, masks = [photo.boxes for photo in photos], [photo.masks for photo in photos]
    box_pooled = _pooled_precision([photo.boxes_pooled for photo in photos], boxes, weights)
    mask_pooled = _pooled_precision([photo.masks_pooled for photo in photos], masks, weights)
    right, found, objects = (_counts(photos, of) for of in ("right", "found", "objects"))
    shown, there = weights @ found, weights @ objects
    return {
        "quality": (box_pooled + mask_pooled) / 2 if _objects(masks, ANY_LABEL) else box_pooled,
        "box_ap50_pooled": box_pooled,
        "mask_ap50_pooled": mask_pooled,
        "box_ap50": _mean_precision(boxes, weights),
        "box_ap50_any_label": _precision(boxes, ANY_LABEL, weights),
        "mask_ap50": _mean_precision(masks, weights),
        "mask_ap50_any_label": _precision(masks, ANY_LABEL, weights),
        "mean_iou": _mean([photo.overlaps for photo in photos], weights),
        "precision": _ratio(weights @ right, shown * (there > 0)),
        "recall": _ratio(weights @ right, there),
        "f1": _ratio(weights @ (2 * right), (shown + there) * (there > 0)),
        "count_mean_error_objects": _ratio(weights @ np.abs(found - objects), weights.sum(axis=1)),
        **{name: values for size in SIZES for name, values in _size_errors(photos, size, weights).items()},
    }


def _counts(photos: Sequence[Comparison], of: str) -> Array:
    """(photos,) how many are right, found, or there."""
    if of == "objects":
        return np.array([len(photo.overlaps) for photo in photos], np.float64)
    return np.array([getattr(photo, of) for photo in photos], np.float64)


def _size_errors(photos: Sequence[Comparison], size: str, weights: Array) -> dict[str, Array]:
    sizes = [photo.sizes[size] for photo in photos]
    errors = [np.abs(item[:, 1] - item[:, 0]) for item in sizes]
    shares = [error[item[:, 0] > 0] / item[item[:, 0] > 0, 0] for item, error in zip(sizes, errors, strict=True)]
    return {
        f"{size}_median_error_{SIZES[size]}": _median(errors, weights),
        f"{size}_mean_error_{SIZES[size]}": _mean(errors, weights),
        f"{size}_median_error_share": _median(shares, weights),
    }


def _precision(photos: Sequence[dict[str | None, Tally]], label: str | None, weights: Array) -> Array:
    return average_precision([tallies.get(label, _EMPTY) for tallies in photos], weights)


def _mean_precision(photos: Sequence[dict[str | None, Tally]], weights: Array) -> Array:
    """Mean over the labels that each sample holds; regardless of labels if no object has one."""
    labels: Sequence[str | None] = _labels(photos) or [ANY_LABEL]
    by_label = np.stack([_precision(photos, label, weights) for label in labels])
    known = np.isfinite(by_label)
    return _ratio(np.where(known, by_label, 0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def _pooled_precision(pooled: Sequence[Tally], by_label: Sequence[dict[str | None, Tally]], weights: Array) -> Array:
    """Over all labels at once; regardless of labels if no object has one."""
    if not any(tally.objects for tally in pooled):
        return _precision(by_label, ANY_LABEL, weights)
    return average_precision(pooled, weights)


def precision_by_label(photos: Sequence[dict[str | None, Tally]], once: Array) -> dict[str, float]:
    return {label: float(_precision(photos, label, once)[0]) for label in _labels(photos)}


def _labels(photos: Sequence[dict[str | None, Tally]]) -> list[str]:
    """Those that a true object has."""
    named = {label for tallies in photos for label in tallies if label is not None}
    return sorted(label for label in named if _objects(photos, label))


def _objects(photos: Sequence[dict[str | None, Tally]], label: str | None) -> int:
    return sum(tallies.get(label, _EMPTY).objects for tallies in photos)


def _mean(values: Sequence[Array], weights: Array) -> Array:
    """Of all photos' values."""
    sums, counts = ([measure(item) for item in values] for measure in (np.sum, len))
    return _ratio(weights @ np.array(sums, np.float64), weights @ np.array(counts, np.float64))


def _median(errors: Sequence[Array], weights: Array) -> Array:
    """Of all photos' errors; of an even number the mean of the middle two."""
    photo, values = of_photos(errors)
    if not values.size:
        return np.full(len(weights), np.nan)
    order = np.argsort(values)
    upto = np.cumsum(weights[:, photo[order]], axis=1)
    half = upto[:, -1:] / 2
    lower, upper = (upto >= half).argmax(axis=1), (upto > half).argmax(axis=1)
    return np.where(half[:, 0] > 0, values[order][[lower, upper]].mean(axis=0), np.nan)


def _ratio(over: Array, under: Array) -> Array:
    return np.divide(over, under, out=np.full_like(under, np.nan), where=under > 0)
