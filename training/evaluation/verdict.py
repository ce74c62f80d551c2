"""Whether the candidate replaces the live chain: `better`, `not better`, or `doubtful`: a person has to decide."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from training.evaluation.resampling import LEAST_GROUPS
from training.evaluation.scores import Gain, is_error
from training.names import folded


@dataclass(frozen=True, slots=True)
class Watched:
    what: str
    margin: float
    """How much worse it may surely get."""


WATCHED = {
    "mean_iou": Watched("How well masks and boxes fit", 0.03),
    "length_median_error_share": Watched("The median error of length", 0.05),
    "width_median_error_share": Watched("The median error of width", 0.05),
    "box_ap50_any_label": Watched("Finding objects, whatever their label,", 0.0),
}
"""Figures that must not get clearly worse while `quality` rises.

Shapes and sizes have a margin, as in tests of non-inferiority: where annotators let a pre-annotation stand, the truth
is the live chain's own outline, which has no error against itself and is only as right as they were strict.
"""


@dataclass(frozen=True, slots=True)
class Demands:
    test_photos: int = 5
    """Groups of photos with something on them; photos of one plant or plot are one."""
    gain: float = 0.0
    """What the lower end of the gain's 95 % interval must exceed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    verdict: Literal["better", "doubtful", "not better"]
    reasons: tuple[str, ...]
    """Sentences for whoever approves."""


def judged(gains: Mapping[str, Gain], *, test_groups: int, labels_lost: Sequence[str], demands: Demands) -> Verdict:
    """`gains`: of `training.evaluation.scores`, by figure; `labels_lost`: see `lost_labels`."""
    needed = max(demands.test_photos, LEAST_GROUPS)
    quality = gains.get("quality")
    if test_groups < needed or quality is None:
        return Verdict("doubtful", (f"Too few test photos to tell: {test_groups} with objects, {needed} are needed.",))
    told = f"by {quality.mean:+.3f}, 95 % interval {quality.low:+.3f} to {quality.high:+.3f}"
    if not quality.low > demands.gain:
        return Verdict("not better", (f"The quality does not surely rise by more than {demands.gain:g}: {told}.",))
    rises = f"The quality rises {told}, on {test_groups} test photos or groups of them."
    doubts = [*_worsened(gains), *_said_of_lost(labels_lost)]
    return Verdict("doubtful", (rises, *doubts)) if doubts else Verdict("better", (rises,))


def lost_labels(live: Sequence[str], candidate: Sequence[str], annotated: Collection[str]) -> tuple[str, ...]:
    """Labels that the live chain gives and annotators use, but the candidate doesn't know, sorted."""
    known, used = {folded(label) for label in candidate}, {folded(label) for label in annotated}
    return tuple(sorted(label for label in live if folded(label) in used - known))


def _worsened(gains: Mapping[str, Gain]) -> list[str]:
    """Of each watched figure whose interval lies wholly on the bad side."""
    return [_worse(name, gains[name]) for name in WATCHED if name in gains and _is_worse(name, gains[name])]


def _is_worse(name: str, gain: Gain) -> bool:
    margin = WATCHED[name].margin
    return gain.low > margin if is_error(name) else gain.high < -margin


def _worse(name: str, gain: Gain) -> str:
    return (
        f"{WATCHED[name].what} gets worse by {abs(gain.mean):.3f} "
        f"({name}, 95 % interval {gain.low:+.3f} to {gain.high:+.3f})."
    )


def _said_of_lost(labels: Sequence[str]) -> list[str]:
    return [f"Labels that the live chain gives would be lost: {', '.join(labels)}."] if labels else []
