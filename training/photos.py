"""The photos of a channel as `training.preprocess` leaves them: JPEGs, and `photos.jsonl` with one line for each."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loc360.wire import Box, Image, Mask
from training.errors import JobFailed

INDEX = "photos.jsonl"


@dataclass(frozen=True, slots=True)
class TrueObject:
    """Frame: pixels of the stored photo."""

    label: str | None
    box_px: Box
    mask_png: bytes | None
    """1-bit PNG of what is seen of it, cut to its content."""
    origin_px: tuple[int, int]
    """x, y of the mask's first pixel."""

    def mask(self) -> Mask:
        """Raises JobFailed."""
        coded = np.frombuffer(self.mask_png or b"", np.uint8)
        pixels = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) if coded.size else None
        if pixels is None:
            raise JobFailed("A mask in the training photos can't be decoded.")
        return np.asarray(pixels) > 127


@dataclass(frozen=True, slots=True)
class TruePhoto:
    file: Path
    width_px: int
    height_px: int
    objects: tuple[TrueObject, ...]

    def image(self) -> Image:
        """Raises JobFailed."""
        bgr = cv2.imread(str(self.file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if bgr is None:
            raise JobFailed(f"The photo {self.file.name} can't be read.")
        return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


def read_photos(channel: Path) -> list[TruePhoto]:
    """In the order of the index; none if the channel is not there. Raises JobFailed."""
    index = channel / INDEX
    if not channel.exists():
        return []
    try:
        lines = index.read_text().splitlines()
        return [_photo(channel, json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobFailed(f"{channel.name}/{INDEX} is missing or of another form: {error!r}.") from error


def labels_of(photos: Sequence[TruePhoto]) -> tuple[str, ...]:
    """Sorted."""
    return tuple(sorted({thing.label for photo in photos for thing in photo.objects if thing.label is not None}))


def _photo(channel: Path, line: dict[str, Any]) -> TruePhoto:
    size = int(line["width_px"]), int(line["height_px"])
    return TruePhoto(channel / line["file"], *size, tuple(_object(item) for item in line["objects"]))


def _object(item: dict[str, Any]) -> TrueObject:
    mask = item.get("mask")
    x, y = item.get("origin_px") or item["box_px"][:2]
    return TrueObject(
        label=item["label"],
        box_px=Box(*map(float, item["box_px"])),
        mask_png=None if mask is None else base64.b64decode(mask),
        origin_px=(int(x), int(y)),
    )
