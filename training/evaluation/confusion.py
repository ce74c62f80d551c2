"""How a chain does on each label, and which it takes for which; of the finds that it shows, at its score threshold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.comparison import NOTHING, Comparison, Pair


@dataclass(frozen=True, slots=True)
class LabelScores:
    """None where the photos can't tell."""

    objects: int
    found: int
    precision: float | None
    recall: float | None
    f1: float | None
    count_bias_objects: float
    """Found minus there, mean over the photos: above 0 it counts too many."""
    count_mean_error_objects: float
    """Absolute, mean over the photos."""


@dataclass(frozen=True, slots=True)
class Confusion:
    labels: tuple[str, ...]
    """Folded."""
    counts: tuple[tuple[int, ...], ...]
    """(labels + 1, labels + 1) row: true, column: found; the last row holds extra finds, the last column what is
    missed. Objects and finds without label are left out."""


def label_scores(photos: Sequence[Comparison]) -> dict[str, LabelScores]:
    """By folded label, of those that an object or a find has."""
    pairs = _all_pairs(photos)
    return {label: _scores(label, pairs, photos) for label in _labels(pairs)}


def confusion(photos: Sequence[Comparison]) -> Confusion:
    pairs = _all_pairs(photos)
    labels = _labels(pairs)
    rows = (*labels, NOTHING)
    return Confusion(labels, tuple(tuple(pairs[there, seen] for seen in rows) for there in rows))


def _all_pairs(photos: Sequence[Comparison]) -> Counter[Pair]:
    return sum((Counter(photo.pairs) for photo in photos), Counter())


def _labels(pairs: Counter[Pair]) -> tuple[str, ...]:
    return tuple(sorted({label for pair in pairs for label in pair if label}))


def _scores(label: str, pairs: Counter[Pair], photos: Sequence[Comparison]) -> LabelScores:
    objects, found = _counted(label, pairs)
    right = pairs[label, label]
    by_photo = np.array([_counted(label, Counter(photo.pairs)) for photo in photos]).reshape(-1, 2)
    off = by_photo[:, 1] - by_photo[:, 0]
    return LabelScores(
        objects=objects,
        found=found,
        precision=right / found if found else None,
        recall=right / objects if objects else None,
        f1=2 * right / (found + objects) if found + objects else None,
        count_bias_objects=float(off.mean()),
        count_mean_error_objects=float(np.abs(off).mean()),
    )


def _counted(label: str, pairs: Counter[Pair]) -> tuple[int, int]:
    """(objects, finds) of the label; a find on an object without label is none, since nobody knows."""
    objects = sum(count for (there, _), count in pairs.items() if there == label)
    found = sum(count for (there, seen), count in pairs.items() if seen == label and there is not None)
    return objects, found
