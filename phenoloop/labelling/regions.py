"""Objects found in a photo, as the regions and numbers of a Label Studio result.

Every control that holds regions gets a region for each object. An object's first region, in its most exact control, is
the parent of its others and carries its numbers: the editor lists the object as one branch, and a number is told once.
Coordinates are percent of the EXIF-upright photo.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog

from phenoloop.labelling.annotated import AnnotatedRegion, decode_regions
from phenoloop.labelling.brush import encode_brush
from phenoloop.labelling.config import Control, ControlKind, LabellingConfig
from phenoloop.labelling.geometry import Box, Mask, Points, deepest_point, outline
from phenoloop.labelling.labels import project_label, same_name

__all__ = ["AnnotatedRegion", "Result", "Shape", "decode_regions", "prompted_regions", "regions"]

Result = dict[str, Any]
"""One item of a Label Studio result."""

_KEYPOINT_WIDTH_PERCENT = 0.5
_STEP = 0.01  # of numbers whose control states none
_DECIMALS = 5  # of percent: a hundredth of a pixel at 100,000 pixels


@dataclass(frozen=True, slots=True)
class Shape:
    """One object found in the photo."""

    label: str | None
    """The model's; None if nobody named the object."""
    score: float
    box_px: Box
    mask: Mask
    origin_px: tuple[int, int]
    """Of the mask in the photo (x, y)."""
    measures: Mapping[str, float] = field(default_factory=dict)


def regions(
    shapes: Sequence[Shape],
    config: LabellingConfig,
    width_px: int,
    height_px: int,
    *,
    label_map: Mapping[str, str],
    image_measures: Mapping[str, float],
    id_seed: str = "",
) -> list[Result]:
    """The result of a prediction: each object in every control, then the photo's numbers. Without objects it is empty.

    An object whose label a control lacks, or whose score is below the control's threshold, is left out of that control.
    A number whose measure is unknown, say a length without a scale, is left out. The same objects under the same
    `id_seed` (the release) give the same items, ids included.
    """
    photo = _Photo(width_px, height_px, config, label_map, id_seed)
    items = [item for index, shape in enumerate(shapes) for item in photo.object_items(shape, index)]
    for control in config.image_numbers if shapes else ():
        items.extend(photo.number_item(control, photo.region_id(control.name), image_measures))
    photo.log_left_out()
    return items


def prompted_regions(
    shapes: Sequence[Shape],
    config: LabellingConfig,
    width_px: int,
    height_px: int,
    *,
    label_map: Mapping[str, str],
    id_seed: str,
) -> list[Result]:
    """The answer to a smart tool: the objects in the most exact control that knows their label, with their numbers.

    `id_seed` names the prompt: the editor replaces a region of the same id.
    """
    photo = _Photo(width_px, height_px, config, label_map, id_seed)
    items = [item for index, shape in enumerate(shapes) for item in photo.object_items(shape, index, most_regions=1)]
    photo.log_left_out()
    return items


class _Photo:
    """One result being made."""

    def __init__(
        self, width_px: int, height_px: int, config: LabellingConfig, label_map: Mapping[str, str], id_seed: str
    ) -> None:
        self.size_px = width_px, height_px
        self._region_controls, self._region_numbers = config.region_controls, config.region_numbers
        self._label_map = label_map
        self._id_seed = id_seed
        self._left_out: Counter[tuple[str, str | None]] = Counter()

    def object_items(self, shape: Shape, index: int, *, most_regions: int | None = None) -> Iterator[Result]:
        parent_id = ""
        for control in list(self._wanted(shape))[:most_regions] if shape.mask.any() else ():
            region_id = self.region_id(control.name, index, *shape.box_px)
            yield from self._region_items(control, shape, region_id, parent_id)
            if not parent_id:
                parent_id = region_id
                for number in self._region_numbers:
                    yield from self.number_item(number, region_id, shape.measures)

    def number_item(self, control: Control, region_id: str, measures: Mapping[str, float]) -> Iterable[Result]:
        value = next((value for name, value in measures.items() if same_name(name, control.name)), None)
        number = None if value is None else _fitting(value, control)
        return [] if number is None else [self._item(control, region_id, "number", {"number": number})]

    def region_id(self, *content: object) -> str:
        return hashlib.sha256(repr((self._id_seed, *content)).encode()).hexdigest()[:10]

    def log_left_out(self) -> None:
        for (control, label), objects in sorted(self._left_out.items(), key=repr):
            structlog.get_logger().info("control lacks a label", control=control, label=label, objects=objects)

    def _wanted(self, shape: Shape) -> Iterator[Control]:
        for control in self._region_controls:
            if control.score_threshold is not None and shape.score < control.score_threshold:
                continue
            if project_label(shape.label, control, self._label_map) is None:
                self._left_out[control.name, shape.label] += 1
                continue
            yield control

    def _region_items(self, control: Control, shape: Shape, region_id: str, parent_id: str) -> Iterator[Result]:
        extra = {"score": round(shape.score, 4), **({"parentID": parent_id} if parent_id else {})}
        labels = [project_label(shape.label, control, self._label_map)]
        value = _VALUES[control.kind](shape, self.size_px)
        if control.labels_name == control.name:
            yield self._item(control, region_id, control.result_type, {**value, control.result_type: labels}, extra)
            return
        yield self._item(control, region_id, control.result_type, value, extra)
        named = {"from_name": control.labels_name, **extra}
        yield self._item(control, region_id, "labels", {**value, "labels": labels}, named)

    def _item(
        self, control: Control, region_id: str, result_type: str, value: Result, extra: Mapping[str, Any] | None = None
    ) -> Result:
        return {
            "id": region_id,
            "from_name": control.name,
            "to_name": control.to_name,
            "type": result_type,
            "original_width": self.size_px[0],
            "original_height": self.size_px[1],
            "image_rotation": 0,
            "value": value,
            **(extra or {}),
        }


def _brush(shape: Shape, size_px: tuple[int, int]) -> Result:
    return {"format": "rle", "rle": encode_brush(shape.mask, shape.origin_px, *size_px)}


def _polygon(shape: Shape, size_px: tuple[int, int]) -> Result:
    return {"points": _percent(outline(shape.mask, shape.origin_px), size_px).tolist(), "closed": True}


def _rectangle(shape: Shape, size_px: tuple[int, int]) -> Result:
    (x0, y0), (x1, y1) = _percent(np.reshape(shape.box_px, (2, 2)), size_px).tolist()
    return {"x": x0, "y": y0, "width": round(x1 - x0, _DECIMALS), "height": round(y1 - y0, _DECIMALS), "rotation": 0}


def _keypoint(shape: Shape, size_px: tuple[int, int]) -> Result:
    ((x, y),) = _percent(np.array([deepest_point(shape.mask, shape.origin_px)]), size_px).tolist()
    return {"x": x, "y": y, "width": _KEYPOINT_WIDTH_PERCENT}


_VALUES: Mapping[ControlKind, Callable[[Shape, tuple[int, int]], Result]] = {
    ControlKind.BRUSH: _brush,
    ControlKind.POLYGON: _polygon,
    ControlKind.RECTANGLE: _rectangle,
    ControlKind.KEYPOINT: _keypoint,
}


def _percent(points: Points, size_px: tuple[int, int]) -> Points:
    percent: Points = np.clip(100 * points / np.array(size_px, np.float64), 0, 100)
    return percent.round(_DECIMALS)


def _fitting(value: float, control: Control) -> float | None:
    """The nearest number that the editor lets pass: a multiple of the control's step within its limits, or None."""
    step, base = control.step or _STEP, control.low or 0.0
    number = round(base + round((value - base) / step) * step, 6)
    below = control.low is not None and number < control.low
    above = control.high is not None and number > control.high
    return None if below or above else number
