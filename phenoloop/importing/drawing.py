"""A COCO image's objects as the result of a Label Studio annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from phenoloop.errors import SettingsInvalid
from phenoloop.importing.coco import CocoImage, CocoObject, mask_of
from phenoloop.importing.outcome import Unimportable
from phenoloop.labelling.config import ControlKind, LabellingConfig
from phenoloop.labelling.drawn import hand_drawn
from phenoloop.labelling.labels import project_label
from phenoloop.labelling.regions import Result, Shape


@dataclass(frozen=True, slots=True)
class Wanted:
    """What becomes of which objects."""

    label_map: Mapping[str, str]
    """Category -> label in the project, where the names differ; empty: its objects are left out."""
    empty: bool = False
    """Photos without objects are annotated too: looked, nothing there."""
    drop_crowds: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    result: list[Result]
    objects: int
    masks: int
    too_small: int


def parse_label_map(words: Sequence[str]) -> dict[str, str]:
    """Of `CATEGORY=LABEL`. Raises SettingsInvalid."""
    pairs = [word.partition("=") for word in words]
    if wrong := [category for category, equals, _ in pairs if not category or not equals]:
        raise SettingsInvalid("--label is CATEGORY=LABEL.", cure="CATEGORY= leaves its objects out.", given=wrong[0])
    return {category: label for category, _, label in pairs}


def drawn(image: CocoImage, config: LabellingConfig, wanted: Wanted) -> Drawn:
    """Every object in the most exact control that can hold it: one with a mask as mask, one without as box.

    Raises Unimportable if an object can't be drawn: without it, what is learnt from the photo would be wrong.
    """
    objects = [thing for thing in image.objects if wanted.label_map.get(thing.label) != ""]
    if not wanted.drop_crowds and any(thing.is_crowd for thing in objects):
        raise Unimportable("A crowd is no single object; --drop-crowds imports the photo without it.")
    singles = [thing for thing in objects if not thing.is_crowd]
    if not singles and not wanted.empty:
        raise Unimportable("Nothing is annotated on it; --empty imports it as a photo that shows nothing.")
    shapes = [shape for thing in singles if (shape := _shape(thing, image)) is not None]
    regions = [_region(shape, image, config, wanted.label_map) for shape in shapes]
    return Drawn(
        result=[item for region in regions for item in region],
        objects=len(shapes),
        masks=sum(not _is_box(shape) for shape in shapes),
        too_small=len(singles) - len(shapes),
    )


def _shape(thing: CocoObject, image: CocoImage) -> Shape | None:
    """Clipped to the photo; None if less than a pixel of it is left."""
    if thing.segmentation is None:
        x0, y0, x1, y1 = thing.box_px
        box = max(x0, 0.0), max(y0, 0.0), min(x1, float(image.width_px)), min(y1, float(image.height_px))
        is_seen = box[2] - box[0] >= 1 and box[3] - box[1] >= 1
        return Shape(thing.label, 1.0, box, _NO_MASK, (0, 0)) if is_seen else None
    try:
        mask, (x, y) = mask_of(thing.segmentation, image.width_px, image.height_px)
    except ValueError as error:
        raise Unimportable("A segmentation is garbled.") from error
    rows, columns = mask.shape
    return Shape(thing.label, 1.0, (x, y, x + columns, y + rows), mask, (x, y)) if mask.any() else None


def _region(shape: Shape, image: CocoImage, config: LabellingConfig, label_map: Mapping[str, str]) -> list[Result]:
    if _is_box(shape):  # a brush or polygon would claim to know its outline
        config = replace(config, controls=tuple(c for c in config.controls if c.kind is ControlKind.RECTANGLE))
        if not config.region_controls:
            raise Unimportable("The project has no control for boxes; see configs/labelling/boxes.xml.")
    for control in config.region_controls:
        label = project_label(shape.label, control, label_map)
        if label is not None:
            named = replace(shape, label=label)
            return hand_drawn(named, replace(config, controls=(control,)), image.width_px, image.height_px)
    raise Unimportable(
        f"The project has no label for the category {shape.label!r}: --label {shape.label}=LABEL, "
        f"or --label {shape.label}= to leave its objects out."
    )


def _is_box(shape: Shape) -> bool:
    return shape.mask is _NO_MASK


_NO_MASK = np.ones((1, 1), np.bool_)
"""Of an object of which only the box is known."""
