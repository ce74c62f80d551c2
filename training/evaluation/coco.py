"""COCO's own figures, by COCO's own program: average precision at IoU 0.5 and over 0.5, 0.55, ..., 0.95.

pycocotools knows no resampling, so what decides, with intervals, is in `training.evaluation.figures`; here is what
others can be compared with. As there, photos have no limit of finds, and objects without label or mask are ignored.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from training.data.dataset import LabelledPhoto
from training.evaluation.chain_run import Seen
from training.evaluation.comparison import Found, Truth, name_of
from training.masks import PlacedMask

Json = dict[str, Any]

_ANY = "any"
_ALL_SIZES = [0, 1e10]
_IGNORED_AREA = -1.0
"""Outside of all sizes, which is how an object is ignored; as a crowd it would take any number of finds."""


@dataclass(frozen=True, slots=True)
class CocoFigures:
    """Means over the labels that the truth holds; None if no object tells."""

    ap: float | None
    """At IoU 0.5, 0.55, ..., 0.95."""
    ap50: float | None
    ap75: float | None
    ap_by_label: dict[str, float]


def coco_figures(photos: Sequence[LabelledPhoto], seen: Sequence[Seen], kind: Literal["bbox", "segm"]) -> CocoFigures:
    """Of a chain's finds (`seen`: one a photo), by boxes or by masks."""
    labels = sorted({name for item in seen for thing in item.truth if (name := name_of(thing))}) or [_ANY]
    everything = list(zip(photos, seen, strict=True))
    truth = [
        line | {"image_id": number}
        for number, (photo, item) in enumerate(everything, 1)
        for thing in item.truth
        for line in _true_lines(thing, labels, photo, kind)
    ]
    found = [
        _line(thing.box_px, thing.mask, photo, kind) | {"image_id": number, "score": thing.score, "category_id": label}
        for number, (photo, item) in enumerate(everything, 1)
        for thing in item.finds.found
        if (label := _category(thing, labels))
    ]
    return _figures(_dataset(truth, labels, photos), _dataset(found, labels, photos), labels, kind)


def _true_lines(thing: Truth, labels: Sequence[str], photo: LabelledPhoto, kind: str) -> Iterator[Json]:
    """One; of an object without label an ignored one of each label."""
    line = _line(thing.box_px, thing.mask, photo, kind)
    if kind == "segm" and thing.mask is None:
        line["area"] = _IGNORED_AREA
    if own := _category(thing, labels):
        yield line | {"category_id": own}
    else:
        yield from (line | {"category_id": number, "area": _IGNORED_AREA} for number in range(1, len(labels) + 1))


def _category(thing: Truth | Found, labels: Sequence[str]) -> int | None:
    """From 1; None of no label that counts."""
    if list(labels) == [_ANY]:
        return 1
    name = name_of(thing)
    return labels.index(name) + 1 if name in labels else None


def _line(box: Sequence[float], mask: PlacedMask | None, photo: LabelledPhoto, kind: str) -> Json:
    x0, y0, x1, y1 = box
    line: Json = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
    return line | ({"segmentation": _encoded(mask, photo)} if kind == "segm" else {})


def _encoded(mask: PlacedMask | None, photo: LabelledPhoto) -> Json:
    canvas = np.zeros((photo.height_px, photo.width_px), np.uint8, order="F")
    if mask is not None:
        (x, y), (height, width) = mask.origin_px, mask.mask.shape
        canvas[y : y + height, x : x + width] = mask.mask[: photo.height_px - y, : photo.width_px - x]
    return dict(rle.encode(canvas))


def _dataset(lines: Sequence[Json], labels: Sequence[str], photos: Sequence[LabelledPhoto]) -> COCO:
    dataset = COCO()
    dataset.dataset = {
        "images": [
            {"id": number, "width": photo.width_px, "height": photo.height_px} for number, photo in enumerate(photos, 1)
        ],
        "categories": [{"id": number, "name": label} for number, label in enumerate(labels, 1)],
        "annotations": [line | {"id": number} for number, line in enumerate(lines, 1)],
    }
    with redirect_stdout(io.StringIO()):
        dataset.createIndex()
    return dataset


def _figures(truth: COCO, found: COCO, labels: Sequence[str], kind: str) -> CocoFigures:
    run = COCOeval(truth, found, kind)
    run.params.areaRng, run.params.areaRngLbl = [_ALL_SIZES], ["all"]
    run.params.maxDets = [1_000_000]
    with redirect_stdout(io.StringIO()):
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][..., 0, 0]  # (overlaps, recalls, labels); -1: no object tells
    at = {round(float(overlap), 2): index for index, overlap in enumerate(run.params.iouThrs)}
    by_label = {label: _mean(precision[:, :, index]) for index, label in enumerate(labels)}
    return CocoFigures(
        ap=_mean(precision),
        ap50=_mean(precision[at[0.5]]),
        ap75=_mean(precision[at[0.75]]),
        ap_by_label={label: value for label, value in by_label.items() if value is not None},
    )


def _mean(precision: Any) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None
