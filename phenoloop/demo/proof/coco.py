"""A COCO file of boxes or masks as known photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loc360.errors import PhotoUnreadable
from loc360.photo import photo_size
from phenoloop.demo.proof.known import KnownObject, KnownPhoto
from phenoloop.errors import SettingsInvalid
from phenoloop.importing.coco import CocoImage, CocoObject, mask_of, read_coco_file
from phenoloop.importing.photos import SUFFIXES


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
    coco = read_coco_file(file)
    single = {image.file_name: [thing for thing in image.objects if not thing.is_crowd] for image in coco.images}
    with_masks = bool(coco.labels) and all(thing.segmentation for things in single.values() for thing in things)
    photos = [_photo(image, images, single[image.file_name], with_masks=with_masks) for image in coco.images]
    if len({photo.name for photo in photos}) < len(photos):
        raise SettingsInvalid("Two images of the data set have one name.", file=file)
    return CocoPhotos(coco.labels, with_masks, tuple(sorted(photos, key=lambda photo: photo.name)))


def _photo(image: CocoImage, folder: Path, objects: Sequence[CocoObject], *, with_masks: bool) -> KnownPhoto:
    path = folder / image.file_name
    try:
        size = photo_size(str(path))
    except PhotoUnreadable as error:
        raise SettingsInvalid("A photo of the data set can't be read.", photo=path, reason=str(error)) from error
    if size != (image.width_px, image.height_px) or path.suffix.lower() not in SUFFIXES:
        raise SettingsInvalid(
            "A photo is not as the data set says.",
            cure="Its size must be that of the upright photo, its kind one that the demo knows.",
            photo=path,
            size_px=size,
        )
    return KnownPhoto(
        name=image.file_name.replace("/", "_"),
        path=path,
        width_px=image.width_px,
        height_px=image.height_px,
        objects=tuple(_object(thing, image, with_mask=with_masks) for thing in objects),
        mm_per_px=image.mm_per_px,
        group=image.group,
    )


def _object(thing: CocoObject, image: CocoImage, *, with_mask: bool) -> KnownObject:
    if not with_mask or thing.segmentation is None:
        return KnownObject(thing.label, thing.box_px, None, (0, 0))
    try:
        mask, origin = mask_of(thing.segmentation, image.width_px, image.height_px)
    except ValueError as error:
        raise SettingsInvalid("A segmentation of the data set is garbled.", photo=image.file_name) from error
    if not mask.any():
        raise SettingsInvalid("A segmentation of the data set is empty.", photo=image.file_name)
    (left, top), (rows, columns) = origin, mask.shape
    return KnownObject(thing.label, (left, top, left + columns, top + rows), mask, origin)
