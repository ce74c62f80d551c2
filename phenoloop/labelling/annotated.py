"""What annotators drew: the regions of a Label Studio result, back in pixels of the photo.

Items of one id are one region: a number or a second label is stored as another item that repeats the geometry. A smart
tool's answer can even carry the prompt's type (a `keypointlabels` item with a brush mask): the geometry tells the kind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from phenoloop.errors import TaskInvalid
from phenoloop.labelling.brush import decode_brush
from phenoloop.labelling.config import ControlKind
from phenoloop.labelling.geometry import Box, Mask, Points, box_around, fill_work_px, filled, rectangle_corners

MAX_PHOTO_PX = 170_000_000
"""A region of a larger photo is refused, as the photo itself would be."""
MAX_DRAWN_PX = 1_000_000_000
"""Masks of one result take no more bytes: whoever writes annotations must not choose how much memory we take."""

_FURTHEST_PX = 1e7


@dataclass(frozen=True, slots=True)
class AnnotatedRegion:
    id: str
    parent_id: str
    """The region that this one is listed under: our predictions hang an object's box under its mask. Empty if none."""
    kind: ControlKind
    label: str | None
    width_px: int
    """Of the EXIF-upright photo."""
    height_px: int
    box_px: Box
    """Tight around the region; of a key point, the point twice."""
    mask: Mask | None
    """Of a brush or polygon region, cut to its content; it may be empty. A box or key point has none."""
    origin_px: tuple[int, int]
    """Of the mask in the photo (x, y)."""
    points_px: Points
    """Corners of a polygon or (turned) rectangle, or the key point; a brush mask has none."""
    origin: str
    """`manual`, `prediction` or `prediction-changed`; empty in predictions."""
    numbers: Mapping[str, float]
    """By the name of their control."""


def decode_regions(result: Iterable[Mapping[str, Any]]) -> list[AnnotatedRegion]:
    """The regions of a result in its order; relations, choices and the photo's own numbers are none.

    Raises TaskInvalid if an item is not of the form that Label Studio documents.
    """
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for index, item in enumerate(result):
        if not isinstance(item, Mapping):
            raise TaskInvalid("An item of a result is no object.")
        by_id.setdefault(str(item.get("id") or f"unnamed-{index}"), []).append(item)
    allowance = _Allowance()
    return [region for id_, items in by_id.items() if (region := _region(id_, items, allowance)) is not None]


class _Allowance:
    """What is left of MAX_DRAWN_PX."""

    def __init__(self) -> None:
        self._left_px: float = MAX_DRAWN_PX

    def take(self, px: float) -> None:
        self._left_px -= px
        if self._left_px < 0:
            raise TaskInvalid("The regions of a result cover more pixels than we hold.", most=MAX_DRAWN_PX)


def _region(region_id: str, items: list[Mapping[str, Any]], allowance: _Allowance) -> AnnotatedRegion | None:
    try:
        kinds = [_kind(item.get("value", {})) for item in items]
        kind, drawn = next(((k, item) for k, item in zip(kinds, items, strict=True) if k), (None, {}))
        if kind is None:
            return None
        width_px, height_px = _size_px(drawn)
        mask, origin_px, points_px = _geometry(kind, drawn["value"], width_px, height_px, allowance)
        return AnnotatedRegion(
            id=region_id,
            parent_id=str(drawn.get("parentID") or ""),
            kind=kind,
            label=_label(kind, items),
            width_px=width_px,
            height_px=height_px,
            box_px=box_around(points_px) if mask is None else _mask_box(mask, origin_px),
            mask=mask,
            origin_px=origin_px,
            points_px=points_px,
            origin=str(drawn.get("origin", "")),
            numbers={str(i["from_name"]): float(i["value"]["number"]) for i in items if "number" in i["value"]},
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise TaskInvalid("A region is not of the form that Label Studio documents.", region=region_id) from error


def _kind(value: Any) -> ControlKind | None:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    if "rle" in value:
        return ControlKind.BRUSH
    if "points" in value:
        return ControlKind.POLYGON
    if {"x", "y", "width", "height"} <= set(value):
        return ControlKind.RECTANGLE
    return ControlKind.KEYPOINT if {"x", "y", "width"} <= set(value) else None


def _size_px(item: Mapping[str, Any]) -> tuple[int, int]:
    width_px, height_px = int(item["original_width"]), int(item["original_height"])
    if min(width_px, height_px) < 1 or width_px * height_px > MAX_PHOTO_PX:
        raise ValueError("no size of a photo")
    return width_px, height_px


def _geometry(
    kind: ControlKind, value: Mapping[str, Any], width_px: int, height_px: int, allowance: _Allowance
) -> tuple[Mask | None, tuple[int, int], Points]:
    if kind is ControlKind.BRUSH:
        mask, origin_px = decode_brush(value["rle"], width_px, height_px)
        allowance.take(mask.size)
        return mask, origin_px, np.empty((0, 2))
    if kind is ControlKind.POLYGON:
        points = _outline(value["points"], width_px, height_px)
        allowance.take(fill_work_px(points, width_px, height_px))
        return *filled(points, width_px, height_px), points
    x, y = float(value["x"]) * (width_px / 100), float(value["y"]) * (height_px / 100)
    if kind is ControlKind.KEYPOINT:
        return None, (0, 0), _on_photo(np.array([[x, y]]))
    width, height = float(value["width"]) * (width_px / 100), float(value["height"]) * (height_px / 100)
    rotation_deg = float(value.get("rotation") or 0)
    return None, (0, 0), _on_photo(_corners(x, y, width, height, rotation_deg))


@np.errstate(over="ignore", invalid="ignore")  # what overflows is not near the photo
def _outline(points: Any, width_px: int, height_px: int) -> Points:
    return _on_photo(np.asarray(points, np.float64).reshape(-1, 2) * (np.array([width_px, height_px]) / 100))


@np.errstate(over="ignore", invalid="ignore")
def _turned(x: float, y: float, width: float, height: float, rotation_deg: float) -> Points:
    return rectangle_corners((x, y), (width, height), rotation_deg)


def _corners(x: float, y: float, width: float, height: float, rotation_deg: float) -> Points:
    """Of an upright one without trigonometry: nearly all are, and large data sets have a million of them."""
    if rotation_deg:
        return _turned(x, y, width, height, rotation_deg)
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def _on_photo(points: Points) -> Points:
    """The points, if they are somewhere near it."""
    if not points.size or not (points.min() > -_FURTHEST_PX and points.max() < _FURTHEST_PX):  # nor if one is no number
        raise ValueError("no points of a photo")
    return points


def _mask_box(mask: Mask, origin_px: tuple[int, int]) -> Box:
    (x, y), (height, width) = origin_px, mask.shape
    return float(x), float(y), float(x + width), float(y + height)


def _label(kind: ControlKind, items: list[Mapping[str, Any]]) -> str | None:
    """Of the region's own control, else of another: a smart tool may leave the prompt's label on the region too."""
    named = {str(item["type"]): item["value"].get(item["type"]) for item in items}
    own = named.pop(f"{kind.value}labels", None)
    others = [labels for name, labels in named.items() if name.endswith("labels")]
    return next((str(labels[0]) for labels in [own, *others] if labels), None)
