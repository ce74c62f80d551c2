"""`evaluation.json`: what the pipeline's condition reads and a person who approves wants to know.

Every number is finite and rounded; a figure that the photos can't tell is left out. If nothing can be told, the gain's
interval is from -1 to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from training.chain_run import ChainRun
from training.comparison import Comparison
from training.dataset import LabelledPhoto
from training.scores import Gain, chain_scores, gain, intervals

DIGITS = 4
_CANNOT_TELL = Gain(mean=0.0, low=-1.0, high=1.0)


def evaluation(
    photos: Sequence[LabelledPhoto], candidate: ChainRun, live: ChainRun, urls: Mapping[str, str]
) -> dict[str, Any]:
    """`urls`: role -> archive of the candidate's model, the live one's if it is unchanged."""
    runs = {"candidate": candidate, "live": live}
    gains = gain(candidate.comparisons, live.comparisons)
    report = {
        "test_photos": len(photos),
        "test_regions": sum(len(photo.objects) for photo in photos),
        "test_masks": sum(thing.mask is not None for photo in photos for thing in photo.objects),
        **{name: _chain(run) for name, run in runs.items()},
        "quality": {name: chain_scores(run.comparisons).quality or 0.0 for name, run in runs.items()},
        "gain": asdict(gains.get("quality", _CANNOT_TELL)),
        "gains": {name: asdict(item) for name, item in gains.items()},
        "photos": [
            {"photo": photo.source, "objects": len(photo.objects)}
            | {name: _photo(run, index, photo.source) for name, run in runs.items()}
            for index, photo in enumerate(photos)
        ],
        **{f"{role}_url": url for role, url in urls.items()},
    }
    return dict(_rounded(report))


def _chain(run: ChainRun) -> dict[str, Any]:
    return {
        **asdict(chain_scores(run.comparisons)),
        "intervals": {name: asdict(item) for name, item in intervals(run.comparisons).items()},
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
