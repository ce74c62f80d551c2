"""Which stage is to blame for what is wrong: the detector, or the segmenter behind it.

Kinds of a detector's errors: Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV
2020, with its bounds of overlap; duplicates and finds on the background are both `extra`. The segmenter answers only
for what the detector pointed at well: a bad mask in a good box. Each object and each find counts for one error at most.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from training.evaluation.comparison import Found, Truth, matched, name_of
from training.masks import Array, box_ious, mask_iou

DetectorError = Literal["missed", "extra", "misplaced", "wrong_label"]
SegmenterError = Literal["bad_mask"]
Stage = Literal["detector", "segmenter"]
KINDS: dict[Stage, tuple[str, ...]] = {"detector": get_args(DetectorError), "segmenter": get_args(SegmenterError)}

NEAR = 0.1
"""Box IoU from which a find that is on no object is a misplaced one rather than an extra one."""
GOOD_MASK = 0.75
"""IoU below which a mask is bad."""

_SURE = 0.7
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Blame:
    """How many errors of each kind. Two may be added."""

    detector: Counter[str] = field(default_factory=Counter)
    segmenter: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Blame") -> "Blame":
        return Blame(self.detector + other.detector, self.segmenter + other.segmenter)

    @property
    def errors(self) -> int:
        return self.detector.total() + self.segmenter.total()


@dataclass(frozen=True, slots=True)
class Advice:
    retrain: Literal["detector", "segmenter", "both"]
    reason: str


def blamed(truth: Sequence[Truth], asked: Sequence[Found]) -> Blame:
    """Of one photo. `asked`: the detector's finds with its own boxes, and what the segmenter drew there, or no mask.

    An object without a mask says nothing about the segmenter, one without a label goes with any.
    """
    overlaps = box_ious([item.box_px for item in asked], [item.box_px for item in truth])
    on_object = matched(asked, overlaps)
    near = _near(asked, overlaps, on_object)
    detector, segmenter = Counter[str](), Counter[str]()
    for find, there in on_object.items():
        if name_of(truth[there]) not in (None, name_of(asked[find])):
            detector["wrong_label"] += 1
        elif _is_bad(asked[find], truth[there]):
            segmenter["bad_mask"] += 1
    detector["misplaced"] = len(near)
    detector["extra"] = len(asked) - len(on_object) - len(near)
    detector["missed"] = len(truth) - len(on_object) - len(near)
    return Blame(+detector, +segmenter)


def advice(blame: Blame) -> Advice:
    """What a next run should train: one stage only if it surely makes over 70 % of the errors (95 % interval)."""
    total = blame.errors
    if not total:
        return Advice("both", "Neither stage makes an error on these photos.")
    for stage in KINDS:
        counts: Counter[str] = getattr(blame, stage)
        if _wilson_low(counts.total(), total) > _SURE:
            kind, most = counts.most_common(1)[0]
            often = f"most often {kind.replace('_', ' ')} ({most})"
            return Advice(stage, f"{counts.total()} of {total} errors are the {stage}'s, {often}.")
    return Advice(
        "both",
        f"The detector makes {blame.detector.total()} and the segmenter {blame.segmenter.total()} of {total} errors: "
        "neither surely makes over 70 % of them.",
    )


def _near(asked: Sequence[Found], overlaps: Array, on_object: dict[int, int]) -> dict[int, int]:
    """Find -> the free object that it touches, of those that are on none; the surest first."""
    near: dict[int, int] = {}
    taken = set(on_object.values())
    for find in sorted(set(range(len(asked))) - set(on_object), key=lambda index: -asked[index].score):
        free = [there for there in range(overlaps.shape[1]) if there not in taken and overlaps[find, there] >= NEAR]
        if free:
            near[find] = max(free, key=lambda there: float(overlaps[find, there]))
            taken.add(near[find])
    return near


def _is_bad(find: Found, there: Truth) -> bool:
    if there.mask is None:
        return False
    return find.mask is None or mask_iou(find.mask, there.mask) < GOOD_MASK


def _wilson_low(hits: int, total: int) -> float:
    """Lower end of a share's 95 % interval: Wilson, "Probable Inference", J. Am. Stat. Assoc. 22, 1927."""
    share, spread = hits / total, _Z**2 / total
    return (share + spread / 2 - _Z * math.sqrt(share * (1 - share) / total + spread / total / 4)) / (1 + spread)
