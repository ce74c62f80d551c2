"""The prepared folders that training and evaluation read: photos, and `photos*.jsonl` with what is on each.

One such index a preprocessing instance. One line a photo: {"file", "photo", "group", "width_px", "height_px",
"mm_per_px", "objects": [{"label", "box_px", "mask", "origin_px"}]}. `file` lies in the folder, `photo` says where it
came from. All coordinates are pixels of the EXIF-upright photo at the size that `width_px` x `height_px` say.
`labels.json` lists all labels of the snapshot, also those that are on no photo of this folder.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loc360.errors import ReplyInvalid
from loc360.frames import View, clipped, whole
from loc360.wire import Box, mask_base64, mask_from_base64
from training.errors import DatasetInvalid
from training.masks import PlacedMask, drawn, trimmed

INDEXES = "photos*.jsonl"
LABELS = "labels.json"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledObject:
    label: str | None
    box_px: Box
    mask: PlacedMask | None
    """Cut to its content."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPhoto:
    file: Path
    source: str
    """The S3 url it came from."""
    group: str | None
    """Its plant or plot; photos of one are one witness."""
    width_px: int
    height_px: int
    mm_per_px: float | None
    objects: tuple[LabelledObject, ...]


def write_photos(
    folder: Path, photos: Iterable[LabelledPhoto], labels: Sequence[str] = (), *, index: str = "photos.jsonl"
) -> None:
    """Write one index and `labels.json`; the photos' own files are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / index).write_text("".join(json.dumps(_line(photo)) + "\n" for photo in photos))
    (folder / LABELS).write_text(json.dumps(list(labels)))


def read_photos(folder: Path) -> tuple[LabelledPhoto, ...]:
    """What `write_photos` wrote, by the photos' files, whatever number of indexes it is in.

    Raises DatasetInvalid, also if there is no index or a photo's file is missing.
    """
    indexes = sorted(folder.glob(INDEXES))
    if not indexes:
        raise DatasetInvalid(f"{folder.name}/{INDEXES} can't be read: there is none.")
    photos = sorted((photo for index in indexes for photo in _photos(index)), key=lambda photo: photo.file.name)
    if missing := [photo.file.name for photo in photos if not photo.file.is_file()]:
        raise DatasetInvalid(f"{folder.name} lacks {len(missing)} of its photos, such as {missing[0]}.")
    return tuple(photos)


def read_labels(folder: Path) -> tuple[str, ...]:
    """Of the whole snapshot. Raises DatasetInvalid."""
    try:
        return tuple(str(label) for label in json.loads((folder / LABELS).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DatasetInvalid(f"{folder.name}/{LABELS} can't be read: {error!r}.") from error


def labels_of(photos: Iterable[LabelledPhoto]) -> tuple[str, ...]:
    """Sorted."""
    return tuple(sorted({thing.label for photo in photos for thing in photo.objects if thing.label is not None}))


def evenly_spaced(photos: Sequence[LabelledPhoto], most: int) -> tuple[LabelledPhoto, ...]:
    """At most that many of them, in their order."""
    count = min(len(photos), most)
    return tuple(photos[index * len(photos) // count] for index in range(count))


def scaled(photo: LabelledPhoto, width_px: int, height_px: int) -> LabelledPhoto:
    """The photo's truth at another size of the photo; objects of which less than a pixel is left are gone."""
    view = View(whole(photo.width_px, photo.height_px), width_px, height_px)
    objects = (_in_view(thing, view) for thing in photo.objects)
    return replace(
        photo,
        width_px=width_px,
        height_px=height_px,
        mm_per_px=None if photo.mm_per_px is None else photo.mm_per_px * view.scale_x,
        objects=tuple(thing for thing in objects if thing is not None),
    )


def _photos(index: Path) -> list[LabelledPhoto]:
    try:
        lines = index.read_text().splitlines()
        return [_photo(index.parent, json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError, ReplyInvalid) as error:
        raise DatasetInvalid(f"{index.parent.name}/{index.name} can't be read: {error!r}.") from error


def _in_view(thing: LabelledObject, view: View) -> LabelledObject | None:
    """Clipped to the photo, box and mask."""
    box = clipped(view.box_in_view(thing.box_px), whole(view.width_px, view.height_px))
    if box is None:
        return None
    mask = thing.mask and drawn(thing.mask.mask, view.box_in_view(thing.mask.box_px), view.width_px, view.height_px)
    return replace(thing, box_px=box, mask=mask and trimmed(mask))


def _line(photo: LabelledPhoto) -> dict[str, Any]:
    return {
        "file": photo.file.name,
        "photo": photo.source,
        "group": photo.group,
        "width_px": photo.width_px,
        "height_px": photo.height_px,
        "mm_per_px": photo.mm_per_px,
        "objects": [
            {
                "label": thing.label,
                "box_px": [round(edge, 3) for edge in thing.box_px],
                "mask": thing.mask and mask_base64(thing.mask.mask),
                "origin_px": list(thing.mask.origin_px) if thing.mask else [int(thing.box_px.x0), int(thing.box_px.y0)],
            }
            for thing in photo.objects
        ],
    }


def _photo(folder: Path, line: dict[str, Any]) -> LabelledPhoto:
    return LabelledPhoto(
        file=folder / line["file"],
        source=str(line["photo"]),
        group=None if line["group"] is None else str(line["group"]),
        width_px=int(line["width_px"]),
        height_px=int(line["height_px"]),
        mm_per_px=None if line["mm_per_px"] is None else float(line["mm_per_px"]),
        objects=tuple(_object(item) for item in line["objects"]),
    )


def _object(item: dict[str, Any]) -> LabelledObject:
    x, y = item["origin_px"]
    mask = None if item["mask"] is None else PlacedMask(mask_from_base64(item["mask"]), (int(x), int(y)))
    return LabelledObject(item["label"], Box(*map(float, item["box_px"])), mask)
