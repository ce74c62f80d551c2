"""A COCO file of boxes or masks as known photos.

Format: <https://cocodataset.org/#format-data>, "object detection". Beyond it an image may have a `group` (its plot or
plant, a name or a number) and `mm_per_px`. Compressed RLE: `rleFrString` of the COCO API's `maskApi.c`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loc360.errors import PhotoUnreadable
from loc360.photo import photo_size
from phenoloop.demo.photos import SUFFIXES
from phenoloop.demo.proof.known import KnownObject, KnownPhoto
from phenoloop.errors import SettingsInvalid
from phenoloop.labelling.geometry import Mask, cut_to_content, filled

Segmentation = list[list[float]] | dict[str, Any]


class _Image(BaseModel):
    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    id: int
    file_name: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    group: str | None = None
    mm_per_px: float | None = Field(default=None, gt=0)


class _Annotation(BaseModel):
    model_config = ConfigDict(frozen=True)

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


@dataclass(frozen=True, slots=True)
class CocoPhotos:
    labels: tuple[str, ...]
    """Of the categories that are used."""
    with_masks: bool
    """Whether every object has a mask; with boxes only for some, all count as boxes."""
    photos: tuple[KnownPhoto, ...]


def read_coco(file: Path, images: Path) -> CocoPhotos:
    """The file's photos, by name. Crowds (`iscrowd`), which are no single objects, are left out.

    Raises SettingsInvalid if it is no such file, or a photo is missing, unreadable or of another size than it says.
    """
    try:
        coco = _File.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise SettingsInvalid("The data set is no COCO file.", file=file, reason=reason) from error
    labels = {category.id: category.name for category in coco.categories}
    objects: dict[int, list[_Annotation]] = defaultdict(list)
    for annotation in coco.annotations:
        if not annotation.iscrowd:
            objects[annotation.image_id].append(annotation)
    used = {annotation.category_id for each in objects.values() for annotation in each}
    if used - labels.keys():
        raise SettingsInvalid(
            "An annotation is of no category of the file.", file=file, category=min(used - labels.keys())
        )
    with_masks = bool(used) and all(annotation.segmentation for each in objects.values() for annotation in each)
    photos = [_photo(image, images, objects[image.id], labels, with_masks=with_masks) for image in coco.images]
    names = {photo.name for photo in photos}
    if len(names) < len(photos):
        raise SettingsInvalid("Two images of the data set have one name.", file=file)
    return CocoPhotos(
        labels=tuple(dict.fromkeys(labels[category] for category in sorted(used))),
        with_masks=with_masks,
        photos=tuple(sorted(photos, key=lambda photo: photo.name)),
    )


def _photo(
    image: _Image, folder: Path, annotations: Sequence[_Annotation], labels: Mapping[int, str], *, with_masks: bool
) -> KnownPhoto:
    path = folder / image.file_name
    try:
        size = photo_size(str(path))
    except PhotoUnreadable as error:
        raise SettingsInvalid("A photo of the data set can't be read.", photo=path, reason=str(error)) from error
    if size != (image.width, image.height) or path.suffix.lower() not in SUFFIXES:
        raise SettingsInvalid(
            "A photo is not as the data set says.",
            cure="Its size must be that of the upright photo, its kind one that the demo knows.",
            photo=path,
            size_px=size,
        )
    return KnownPhoto(
        name=image.file_name.replace("/", "_"),
        path=path,
        width_px=image.width,
        height_px=image.height,
        objects=tuple(_object(item, image, labels, with_mask=with_masks) for item in annotations),
        mm_per_px=image.mm_per_px,
        group=image.group,
    )


def _object(annotation: _Annotation, image: _Image, labels: Mapping[int, str], *, with_mask: bool) -> KnownObject:
    x, y, width, height = annotation.bbox
    label, box = labels[annotation.category_id], (x, y, x + width, y + height)
    if not with_mask or annotation.segmentation is None:
        return KnownObject(label, box, None, (0, 0))
    try:
        mask, origin = _mask(annotation.segmentation, image.width, image.height)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SettingsInvalid("A segmentation of the data set is garbled.", photo=image.file_name) from error
    if not mask.any():
        raise SettingsInvalid("A segmentation of the data set is empty.", photo=image.file_name)
    (left, top), (rows, columns) = origin, mask.shape
    return KnownObject(label, (left, top, left + columns, top + rows), mask, origin)


def _mask(segmentation: Segmentation, width_px: int, height_px: int) -> tuple[Mask, tuple[int, int]]:
    whole = np.zeros((height_px, width_px), np.bool_)
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        runs = _decompressed(counts) if isinstance(counts, str) else counts
        inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        if segmentation["size"] != [height_px, width_px]:
            raise ValueError("of another size")
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
