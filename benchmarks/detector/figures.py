"""How good the models are, and how sure that is: `python -m benchmarks.detector.figures`, in the training environment.

From standard input `{fold: {"test": FOLDER, "tested": {model: FILE}}}`; to standard output the figures of each fold
and, as `all`, of all together: every photo once, with the finds of the model that had not seen it, scores as they are.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.detector.finds import Find, read_outcome
from training.data.dataset import LabelledPhoto, read_photos
from training.evaluation.chain_run import Finds, Seen, true_objects
from training.evaluation.coco import coco_figures
from training.evaluation.comparison import Found, compared
from training.evaluation.scores import gain, intervals

ALL = "all"
_RESAMPLED = {"box_ap50": "ap50", "box_ap50_any_label": "ap50_any_label"}
Json = dict[str, Any]


def figures(photos: Sequence[LabelledPhoto], finds: Mapping[str, Mapping[str, Sequence[Find]]]) -> Json:
    """`finds`: model -> photo's source -> finds. `models`, and `gains` of the first one over each other.

    Average precisions are pycocotools'; intervals and gains, of AP50, are over groups of photos, the same drawn for all
    models. Raises KeyError if a model was not tested on a photo.
    """
    groups = [photo.group or photo.source for photo in photos]
    seen = {model: [_seen(photo, of_model[photo.source]) for photo in photos] for model, of_model in finds.items()}
    comparisons = {model: [item.comparison for item in of_model] for model, of_model in seen.items()}
    first, *others = finds
    return {
        "photos": len(photos),
        "groups": len(set(groups)),
        "objects": sum(len(photo.objects) for photo in photos),
        "models": {model: _precisions(photos, of_model, groups) for model, of_model in seen.items()},
        "gains": {
            other: {
                _RESAMPLED[name]: asdict(of_figure)
                for name, of_figure in gain(comparisons[first], comparisons[other], groups).items()
                if name in _RESAMPLED
            }
            for other in others
        },
    }


def _precisions(photos: Sequence[LabelledPhoto], seen: Sequence[Seen], groups: Sequence[str]) -> Json:
    named, regardless = (coco_figures(photos, of_kind, "bbox") for of_kind in (seen, [_unnamed(item) for item in seen]))
    known = intervals([item.comparison for item in seen], groups)
    return {
        "ap50": named.ap50,
        "ap": named.ap,
        "ap50_any_label": regardless.ap50,
        "ap_any_label": regardless.ap,
        "by_label": named.ap_by_label,
        "intervals": {_RESAMPLED[name]: asdict(item) for name, item in known.items() if name in _RESAMPLED},
    }


def _seen(photo: LabelledPhoto, finds: Sequence[Find]) -> Seen:
    found = tuple(Found(item.label, item.box_px, item.score) for item in finds)
    truth = true_objects(photo)
    return Seen(truth, Finds(found), compared(truth, found))


def _unnamed(seen: Seen) -> Seen:
    truth = tuple(replace(item, label=None) for item in seen.truth)
    return Seen(truth, Finds(tuple(replace(item, label=None) for item in seen.finds.found)), seen.comparison)


def main(asked: Json) -> Json:
    photos = {fold: read_photos(Path(item["test"])) for fold, item in asked.items()}
    finds = {
        fold: {model: read_outcome(Path(file)).finds for model, file in item["tested"].items()}
        for fold, item in asked.items()
    }
    together: dict[str, dict[str, Sequence[Find]]] = {}
    for of_fold in finds.values():
        for model, of_model in of_fold.items():
            together.setdefault(model, {}).update(of_model)
    everything = [photo for of_fold in photos.values() for photo in of_fold]
    return {fold: figures(photos[fold], finds[fold]) for fold in asked} | {ALL: figures(everything, together)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.load(sys.stdin))))
