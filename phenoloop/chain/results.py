"""What the chain returns, and what an annotator may ask it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from loc360.frames import View
from loc360.wire import Box, Mask, Point, mask_from_base64
from phenoloop.errors import ModelReplyInvalid

MEASURES = ("length_px", "width_px", "area_px", "perimeter_px", "aspect_ratio", "solidity",
            "length_mm", "width_mm", "area_mm2", "perimeter_mm")  # fmt: skip
LAB_MEASURES = ("mean_l", "mean_a", "mean_b")

MOST_COVERED = 20
"""Times that the objects of one photo may cover it, all together, since each has a mask of its own."""
SMALL_PX = 50_000_000
"""So much they may cover whatever the photo's size."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """An annotator's hint at one object, in pixels of the upright photo: a box, a point in it, or both."""

    box_px: Box | None = None
    point_px: Point | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """One object found. Frame: photo (upright, full size)."""

    index: int
    label: str | None
    score: float
    box_px: Box
    """Tight around the mask."""
    mask: Mask
    """At the photo's resolution, covering `box_px` on whole pixels."""
    mask_origin_px: tuple[int, int]
    """x, y of the mask's first pixel."""
    measures: Mapping[str, float]
    """`MEASURES` (those in mm only with a scale) and `LAB_MEASURES`."""


@dataclass(frozen=True, slots=True)
class ChainResult:
    release: str
    width_px: int
    height_px: int
    instances: tuple[Instance, ...]
    metrics: dict[str, Any]
    """Of the photo as a whole: what `loc360.process` returned, less its objects."""


def chain_result(processed: Mapping[str, Any]) -> ChainResult:
    """From what `loc360.process` returned. Raises ModelReplyInvalid if the objects' masks would fill the memory."""
    width, height = processed["width_px"], processed["height_px"]
    boxes = [Box(*item["mask_box_px"]) for item in processed["objects"]]
    if sum((box.x1 - box.x0) * (box.y1 - box.y0) for box in boxes) > max(MOST_COVERED * width * height, SMALL_PX):
        raise ModelReplyInvalid(f"The objects cover the photo more than {MOST_COVERED} times over.", objects=len(boxes))
    return ChainResult(
        release=processed["release"],
        width_px=width,
        height_px=height,
        instances=tuple(_instance(item, width, height) for item in processed["objects"]),
        metrics={name: value for name, value in processed.items() if name != "objects"},
    )


def _instance(item: Mapping[str, Any], width_px: int, height_px: int) -> Instance:
    mask, origin = _on_photo_grid(mask_from_base64(item["mask_png"]), Box(*item["mask_box_px"]), width_px, height_px)
    lab = dict(zip(LAB_MEASURES, item["mean_lab"], strict=True))
    return Instance(
        index=item["index"],
        label=item["label"],
        score=item["score"],
        box_px=Box(*item["box_px"]),
        mask=mask,
        mask_origin_px=origin,
        measures={**{name: item[name] for name in MEASURES if name in item}, **lab},
    )


def _on_photo_grid(mask: Mask, box: Box, width_px: int, height_px: int) -> tuple[Mask, tuple[int, int]]:
    """The mask drawn on the photo's pixels, its outline interpolated rather than in blocks."""
    x0, y0 = math.floor(box.x0), math.floor(box.y0)
    size = (min(math.ceil(box.x1), width_px) - x0, min(math.ceil(box.y1), height_px) - y0)
    view = View(box, mask.shape[1], mask.shape[0])
    # photo pixel i has its centre at i + 0.5, and so have mask pixels
    to_mask = np.array(
        [
            [1 / view.scale_x, 0, (x0 + 0.5 - box.x0) / view.scale_x - 0.5],
            [0, 1 / view.scale_y, (y0 + 0.5 - box.y0) / view.scale_y - 0.5],
        ]
    )
    for method in (cv2.INTER_LINEAR, cv2.INTER_NEAREST):  # single pixels may drown in interpolation
        drawn = cv2.warpAffine(mask.astype(np.uint8) * 254, to_mask, size, flags=method | cv2.WARP_INVERSE_MAP) >= 127
        if drawn.any():
            break
    return drawn, (x0, y0)
