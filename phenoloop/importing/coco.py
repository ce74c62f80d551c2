"""COCO files: photos and what is drawn on them.

Format: <https://cocodataset.org/#format-data>, "object detection". Beyond it an image may have a `group` (its plot or
plant, a name or a number) and `mm_per_px`. Compressed RLE: `rleFrString` of the COCO API's `maskApi.c`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phenoloop.errors import SettingsInvalid
from phenoloop.labelling.geometry import Box, Mask, cut_to_content, filled

Segmentation = list[list[float]] | dict[str, Any]


@dataclass(frozen=True, slots=True)
class CocoObject:
    label: str
    box_px: Box
    segmentation: Segmentation | None
    is_crowd: bool
    """It stands for several objects."""


@dataclass(frozen=True, slots=True)
class CocoImage:
    file_name: str
    width_px: int
    height_px: int
    objects: tuple[CocoObject, ...]
    group: str | None
    mm_per_px: float | None


@dataclass(frozen=True, slots=True)
class CocoFile:
    labels: tuple[str, ...]
    """Of the categories of single objects, in their order."""
    images: tuple[CocoImage, ...]
    strays: int
    """Annotations of no image of the file."""


class _Image(BaseModel):
    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    id: int
    file_name: str = Field(min_length=1)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    group: str | None = None
    mm_per_px: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class _Annotation(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    segmentation: Segmentation | None = None
    iscrowd: bool = False


class _Category(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    name: str


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_coco_file(file: Path) -> CocoFile:
    """Raises SettingsInvalid if it is none, or names an unknown category, or an image twice."""
    try:
        coco = _File.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        reason = _first_of(error) if isinstance(error, ValidationError) else error.strerror
        raise SettingsInvalid("The data set is no COCO file.", file=file, reason=reason) from error
    labels = {category.id: category.name for category in coco.categories}
    if unknown := {item.category_id for item in coco.annotations} - labels.keys():
        raise SettingsInvalid("An annotation is of no category of the file.", file=file, category=min(unknown))
    if len({image.file_name for image in coco.images}) < len(coco.images):
        raise SettingsInvalid("Two images of the data set have one name.", file=file)
    objects: dict[int, list[CocoObject]] = defaultdict(list)
    for item in coco.annotations:
        objects[item.image_id].append(_object(item, labels))
    ids = {image.id for image in coco.images}
    single = {item.category_id for item in coco.annotations if not item.iscrowd}
    return CocoFile(
        labels=tuple(dict.fromkeys(labels[category] for category in sorted(single))),
        images=tuple(_image(image, objects[image.id]) for image in coco.images),
        strays=sum(len(things) for image_id, things in objects.items() if image_id not in ids),
    )


def mask_of(segmentation: Segmentation, width_px: int, height_px: int) -> tuple[Mask, tuple[int, int]]:
    """Polygons, run lengths or compressed run lengths as a mask cut to its content, and its origin (x, y).

    Raises ValueError if it is garbled; it may be empty.
    """
    try:
        return _mask(segmentation, width_px, height_px)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError("no segmentation of that photo") from error


def _first_of(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _image(image: _Image, objects: list[CocoObject]) -> CocoImage:
    return CocoImage(image.file_name, image.width, image.height, tuple(objects), image.group, image.mm_per_px)


def _object(item: _Annotation, labels: Mapping[int, str]) -> CocoObject:
    x, y, width, height = item.bbox
    return CocoObject(
        labels[item.category_id], (x, y, x + width, y + height), item.segmentation or None, is_crowd=item.iscrowd
    )


def _mask(segmentation: Segmentation, width_px: int, height_px: int) -> tuple[Mask, tuple[int, int]]:
    whole = np.zeros((height_px, width_px), np.bool_)
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        runs = _decompressed(counts) if isinstance(counts, str) else counts
        if segmentation["size"] != [height_px, width_px] or sum(runs) != height_px * width_px:
            raise ValueError("of another size")
        inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        whole = inside.reshape(width_px, height_px).T  # COCO counts down the columns
    else:
        for polygon in segmentation:
            part, (x, y) = filled(np.asarray(polygon, np.float64).reshape(-1, 2), width_px, height_px)
            whole[y : y + part.shape[0], x : x + part.shape[1]] |= part
    return cut_to_content(whole, (0, 0))


def _decompressed(text: str) -> list[int]:
    """Run lengths from COCO's compressed text: six bits a character, five of them value, from the low end.

    From the fourth run on it holds the difference to the run before the last.
    """
    counts: list[int] = []
    codes = iter(text.encode("ascii"))
    for first in codes:
        value, shift, code = 0, 0, first - 48
        while True:
            value |= (code & 0x1F) << shift
            shift += 5
            if not code & 0x20:
                break
            code = next(codes, -1) - 48
            if code < 0:
                raise ValueError("cut off")
        value -= (1 << shift) if code & 0x10 else 0
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts
