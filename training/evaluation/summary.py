"""`evaluation.json`: what the pipeline's condition reads and a person who approves wants to know; `photos.json` beside
it: the same photo by photo, in a file of its own, since SageMaker limits the size of what a condition reads.

Every number is finite and rounded; a figure that the photos can't tell is left out. If nothing can be told, the gain's
interval is from -1 to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from training.data.dataset import LabelledPhoto
from training.evaluation.blame import GOOD_MASK, Advice, Blame, advice, blamed
from training.evaluation.calibration import calibration
from training.evaluation.chain_files import CANDIDATE, LIVE
from training.evaluation.chain_run import ChainRun, Seen
from training.evaluation.confusion import confusion, label_scores
from training.evaluation.corruptions import CORRUPTIONS
from training.evaluation.resampling import telling_groups
from training.evaluation.robustness import Robustness, Variant
from training.evaluation.scores import ChainScores, Gain, chain_scores, gain, intervals
from training.evaluation.verdict import Demands, judged

DIGITS = 4
_CANNOT_TELL = Gain(mean=0.0, low=-1.0, high=1.0)

Json = dict[str, Any]


def evaluation(
    photos: Sequence[LabelledPhoto],
    candidate: ChainRun,
    live: ChainRun,
    *,
    urls: Mapping[str, str],
    demands: Demands,
    labels_lost: Sequence[str] = (),
) -> Json:
    """`urls`: role -> archive of the candidate's model, the live one's if it is unchanged."""
    runs = {CANDIDATE: candidate, LIVE: live}
    groups = [photo.group or photo.source for photo in photos]
    test_groups = telling_groups(live.comparisons, groups)
    gains = gain(candidate.comparisons, live.comparisons, groups)
    verdict = judged(gains, test_groups=test_groups, labels_lost=labels_lost, demands=demands)
    scores = {name: chain_scores(run.comparisons) for name, run in runs.items()}
    summary = {
        "verdict": verdict.verdict,
        "reasons": [*verdict.reasons, *_said_of_dead(live, photos)],
        "labels_lost": list(labels_lost),
        "test_groups": test_groups,
        "test_photos": len(photos),
        "test_regions": sum(len(photo.objects) for photo in photos),
        "test_masks": sum(thing.mask is not None for photo in photos for thing in photo.objects),
        **{name: _chain(run, scores[name], groups) for name, run in runs.items()},
        "quality": {name: item.quality or 0.0 for name, item in scores.items()},
        "gain": asdict(gains.get("quality", _CANNOT_TELL)),
        "gains": {name: asdict(item) for name, item in gains.items()},
        "blame": _blame(runs, CANDIDATE if verdict.verdict == "better" else LIVE),
        **{f"{role}_url": url for role, url in urls.items()},
    }
    return dict(rounded(summary))


def by_photo(photos: Sequence[LabelledPhoto], candidate: ChainRun, live: ChainRun) -> list[Json]:
    """What each chain made of each photo."""
    runs = {CANDIDATE: candidate, LIVE: live}
    return list(
        rounded(
            [
                {"photo": photo.source, "group": photo.group, "objects": len(photo.objects)}
                | {name: _photo(run.seen[index], run.failures.get(photo.source)) for name, run in runs.items()}
                for index, photo in enumerate(photos)
            ]
        )
    )


def told_of(robustness: Robustness) -> Json:
    """By chain and corruption the scores of each grade, next to those of the same photos unspoilt."""
    return {"photos": robustness.photos, "wanted": robustness.wanted} | {
        chain: {
            corruption.name: [
                {"grade": grade, "photos": loss.photos}
                | {"spoilt": _robust(loss.spoilt), "unspoilt": _robust(loss.unspoilt)}
                for grade in corruption.grades
                if (loss := losses.get(Variant(corruption, grade)))
            ]
            for corruption in CORRUPTIONS
        }
        for chain, losses in robustness.losses.items()
    }


def rounded(value: Any) -> Any:
    """Numbers rounded, what is None left out, all the way down."""
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0  # no negative zero
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items() if item is not None}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _said_of_dead(live: ChainRun, photos: Sequence[LabelledPhoto]) -> list[str]:
    """Of a live chain that answers nothing, which is no reason to keep it."""
    if not photos or len(live.failures) < len(photos):
        return []
    return [f"The live chain fails on every test photo. {next(iter(live.failures.values()))}"]


def _chain(run: ChainRun, scores: ChainScores, groups: Sequence[str]) -> Json:
    return {
        **asdict(scores),
        "intervals": {name: asdict(item) for name, item in intervals(run.comparisons, groups).items()},
        "by_label": {label: asdict(item) for label, item in label_scores(run.comparisons).items()},
        "confusion": asdict(confusion(run.comparisons)),
        "calibration": asdict(calibration(run.comparisons)),
        "failed_photos": len(run.failures),
        "seconds_per_photo": run.seconds_per_photo,
    }


def _blame(runs: Mapping[str, ChainRun], stays: str) -> Json:
    """With the advice for the chain that `stays` live after this evaluation."""
    blames = {name: sum(map(blame_of, run.seen), Blame()) for name, run in runs.items()}
    next_time: Advice = advice(blames[stays])
    return {
        **{name: _counted(blame) | {"shares": _shares(blame)} for name, blame in blames.items()},
        "good_mask_iou": GOOD_MASK,
        "of": stays,
        "retrain": next_time.retrain,
        "reason": next_time.reason,
    }


def blame_of(seen: Seen) -> Blame:
    return blamed(seen.truth, seen.finds.asked)


def _counted(blame: Blame) -> Json:
    return {"detector": dict(blame.detector), "segmenter": dict(blame.segmenter)}


def _shares(blame: Blame) -> Json:
    """Of all errors; empty without one."""
    total = blame.errors
    return {stage: sum(counts.values()) / total for stage, counts in _counted(blame).items()} if total else {}


def _photo(seen: Seen, failure: str | None) -> Json:
    of_photo = seen.comparison
    return {
        "found": of_photo.found,
        "missed": of_photo.missed,
        "extra": of_photo.extra,
        "wrong_label": of_photo.wrong_label,
        "mean_iou": float(of_photo.overlaps.mean()) if of_photo.overlaps.size else None,
        "blame": _counted(blame_of(seen)),
        "failure": failure,
    }


def _robust(scores: ChainScores) -> Json:
    return {name: getattr(scores, name) for name in ("box_ap50_pooled", "box_ap50_any_label", "mean_iou")}
