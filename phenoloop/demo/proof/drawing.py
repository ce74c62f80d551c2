"""What the annotator saves: Label Studio's result of the decisions, with the origins that its editor writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from phenoloop.demo.proof.annotator import Decision, Verdict
from phenoloop.demo.proof.known import KnownObject, KnownPhoto
from phenoloop.errors import LabellingConfigInvalid
from phenoloop.labelling.config import LabellingConfig
from phenoloop.labelling.drawn import hand_drawn
from phenoloop.labelling.labels import same_name
from phenoloop.labelling.regions import Result, Shape


def saved_result(
    decisions: Iterable[Decision], predicted: Iterable[Result], config: LabellingConfig, photo: KnownPhoto
) -> list[Result]:
    """Accepted regions byte for byte, corrected ones under their own ids, deleted ones not, added ones new.

    A corrected region keeps its numbers, as in the editor; the photo's `count` is put right.
    """
    items: dict[str, list[Result]] = defaultdict(list)
    for item in predicted:
        items[str(item["id"])].append(item)
    saved: list[Result] = []
    kept = 0
    for decision in decisions:
        kept += decision.verdict is not Verdict.DELETED
        if decision.predicted is None and decision.known is not None:
            saved += drawn(decision.known, config, photo)
        elif decision.predicted is not None:
            saved += _after(decision, items.pop(decision.predicted.id), config, photo)
    return saved + [_counted(item, kept) for rest in items.values() for item in rest if _is_of_photo(item, config)]


def truth_result(objects: Sequence[KnownObject], config: LabellingConfig, photo: KnownPhoto) -> list[Result]:
    """These objects as if drawn by hand on `photo`, whatever it shows."""
    return [item for known in objects for item in drawn(known, config, photo)]


def drawn(known: KnownObject, config: LabellingConfig, photo: KnownPhoto, *, region_id: str = "") -> list[Result]:
    """The items of one region in the configuration's most exact control that knows the label.

    Raises LabellingConfigInvalid if none does.
    """
    shape = Shape(label=known.label, score=1.0, box_px=known.box_px, mask=_mask(known), origin_px=known.origin_px)
    made = hand_drawn(shape, config, photo.width_px, photo.height_px, region_id=region_id)
    if not made:
        raise LabellingConfigInvalid("No control of the labelling configuration has the label.", label=known.label)
    return made


def on_another_photo(known: KnownObject, of: KnownPhoto, onto: KnownPhoto) -> KnownObject:
    """The object at the same place of another photo, relative to its size."""
    if (of.width_px, of.height_px) == (onto.width_px, onto.height_px):
        return known
    scale = np.array([onto.width_px / of.width_px, onto.height_px / of.height_px])
    x0, y0, x1, y1 = (np.reshape(known.box_px, (2, 2)) * scale).ravel().tolist()
    corner = (np.array(known.origin_px) * scale).round().astype(int).tolist()
    mask = known.mask
    if mask is not None:
        size = (np.array(mask.shape[::-1]) * scale).round().astype(int).clip(1).tolist()
        mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return KnownObject(known.label, (x0, y0, x1, y1), mask, (corner[0], corner[1]))


def _after(decision: Decision, items: list[Result], config: LabellingConfig, photo: KnownPhoto) -> list[Result]:
    """A predicted region's items, as the annotator left them."""
    if decision.known is None:
        return []
    if decision.verdict is Verdict.ACCEPTED:
        return [item | {"origin": "prediction"} for item in items]
    region_id = str(items[0]["id"])
    numbers = [item for item in items if item["type"] == "number"]
    redrawn = drawn(decision.known, config, photo, region_id=region_id)
    return [item | {"origin": "prediction-changed"} for item in (*redrawn, *numbers)]


def _is_of_photo(item: Result, config: LabellingConfig) -> bool:
    """Whether it is one of the photo's own numbers."""
    return any(item["from_name"] == control.name for control in config.image_numbers)


def _counted(item: Result, regions: int) -> Result:
    if not same_name(item["from_name"], "count"):
        return item | {"origin": "prediction"}
    right = item["value"]["number"] == regions
    return item | {"value": {"number": regions}, "origin": "prediction" if right else "prediction-changed"}


def _mask(known: KnownObject) -> Any:
    if known.mask is not None:
        return known.mask
    x0, y0, x1, y1 = known.box_px
    return np.ones((max(1, round(y1 - y0)), max(1, round(x1 - x0))), np.bool_)
