"""`evaluation.json`: what the pipeline's condition reads and a person who approves wants to know; `photos.json` beside
it: the same photo by photo, in a file of its own, since SageMaker limits the size of what a condition reads.

Every number is finite and rounded; a figure that the photos can't tell is left out. If nothing can be told, the gain's
interval is from -1 to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from training.chain_run import ChainRun
from training.comparison import Comparison
from training.dataset import LabelledPhoto
from training.resampling import telling_groups
from training.scores import Gain, chain_scores, gain, intervals
from training.verdict import Demands, judged

DIGITS = 4
_CANNOT_TELL = Gain(mean=0.0, low=-1.0, high=1.0)


def evaluation(
    photos: Sequence[LabelledPhoto],
    candidate: ChainRun,
    live: ChainRun,
    *,
    urls: Mapping[str, str],
    demands: Demands,
    labels_lost: Sequence[str] = (),
) -> dict[str, Any]:
    """`urls`: role -> archive of the candidate's model, the live one's if it is unchanged."""
    runs = {"candidate": candidate, "live": live}
    groups = [photo.group or photo.source for photo in photos]
    test_groups = telling_groups(live.comparisons, groups)
    gains = gain(candidate.comparisons, live.comparisons, groups)
    verdict = judged(gains, test_groups=test_groups, labels_lost=labels_lost, demands=demands)
    report = {
        "verdict": verdict.verdict,
        "reasons": [*verdict.reasons, *_said_of_dead(live, photos)],
        "labels_lost": list(labels_lost),
        "test_groups": test_groups,
        "test_photos": len(photos),
        "test_regions": sum(len(photo.objects) for photo in photos),
        "test_masks": sum(thing.mask is not None for photo in photos for thing in photo.objects),
        **{name: _chain(run, groups) for name, run in runs.items()},
        "quality": {name: chain_scores(run.comparisons).quality or 0.0 for name, run in runs.items()},
        "gain": asdict(gains.get("quality", _CANNOT_TELL)),
        "gains": {name: asdict(item) for name, item in gains.items()},
        **{f"{role}_url": url for role, url in urls.items()},
    }
    return dict(_rounded(report))


def by_photo(photos: Sequence[LabelledPhoto], candidate: ChainRun, live: ChainRun) -> list[dict[str, Any]]:
    """What each chain made of each photo."""
    runs = {"candidate": candidate, "live": live}
    return list(
        _rounded(
            [
                {"photo": photo.source, "group": photo.group, "objects": len(photo.objects)}
                | {name: _photo(run, index, photo.source) for name, run in runs.items()}
                for index, photo in enumerate(photos)
            ]
        )
    )


def _said_of_dead(live: ChainRun, photos: Sequence[LabelledPhoto]) -> list[str]:
    """Of a live chain that answers nothing, which is no reason to keep it."""
    if not photos or len(live.failures) < len(photos):
        return []
    return [f"The live chain fails on every test photo. {next(iter(live.failures.values()))}"]


def _chain(run: ChainRun, groups: Sequence[str]) -> dict[str, Any]:
    return {
        **asdict(chain_scores(run.comparisons)),
        "intervals": {name: asdict(item) for name, item in intervals(run.comparisons, groups).items()},
        "failed_photos": len(run.failures),
        "seconds_per_photo": run.seconds_per_photo,
    }


def _photo(run: ChainRun, index: int, source: str) -> dict[str, Any]:
    seen: Comparison = run.comparisons[index]
    return {
        "found": seen.found,
        "missed": seen.missed,
        "extra": seen.extra,
        "wrong_label": seen.wrong_label,
        "mean_iou": float(seen.overlaps.mean()) if seen.overlaps.size else None,
        "failure": run.failures.get(source),
    }


def _rounded(value: Any) -> Any:
    """Numbers rounded, what is None left out, all the way down."""
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0  # no negative zero
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items() if item is not None}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
