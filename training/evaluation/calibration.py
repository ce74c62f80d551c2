"""Whether scores mean what they say: of finds that score 0.8, are 80 % right?

Expected calibration error over ten bins of equal width: Guo et al., "On Calibration of Modern Neural Networks", ICML
2017. Only finds that the chain shows are known, so there are none below its threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.comparison import Comparison
from training.precision import of_photos

BINS = 10


@dataclass(frozen=True, slots=True)
class ScoreBin:
    low: float
    high: float
    finds: int
    mean_score: float
    share_right: float


@dataclass(frozen=True, slots=True)
class Calibration:
    expected_error: float | None
    """None without finds."""
    bins: tuple[ScoreBin, ...]
    """Those that hold finds."""


def calibration(photos: Sequence[Comparison]) -> Calibration:
    """A find is right on an object of its own label, or of any where no object has one; box IoU at least 0.5."""
    _, scores = of_photos([photo.boxes_pooled.scores for photo in photos])
    _, right = of_photos([photo.boxes_pooled.right.astype(np.float64) for photo in photos])
    owner = np.clip((scores * BINS).astype(np.intp), 0, BINS - 1)
    bins = tuple(
        ScoreBin(
            low=index / BINS,
            high=(index + 1) / BINS,
            finds=int(inside.sum()),
            mean_score=float(scores[inside].mean()),
            share_right=float(right[inside].mean()),
        )
        for index in range(BINS)
        if (inside := owner == index).any()
    )
    gaps = sum(item.finds * abs(item.mean_score - item.share_right) for item in bins)
    return Calibration(gaps / len(scores) if len(scores) else None, bins)
