"""A photo with its objects drawn on it, small enough to work on, and the same seen through an affine map."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from loc360.wire import Image
from training.data.dataset import LabelledObject, LabelledPhoto
from training.errors import DatasetInvalid

Floats = NDArray[np.float32]

UNNAMED = -1
"""Label index of an object without a label."""
GREY = 127
"""Of what lies beyond a picture."""
_LEAST_SEEN = 0.3
"""Share of an object that must be left of it, for it to still count as one."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    image: Image
    """(h, w, 3) RGB."""
    owner: NDArray[np.int16]
    """(h, w): 1 + index of the object that the pixel belongs to; 0 where no mask is."""
    boxes: Floats
    """(n, 4) edges in pixels."""
    labels: NDArray[np.int64]
    """(n,)"""
    masked: NDArray[np.bool_]
    """(n,) whether the object is drawn in `owner`."""


class Album:
    """The photos as pictures with a long side of at most `side_px`, the last used ones kept in memory."""

    def __init__(
        self, photos: Sequence[LabelledPhoto], labels: Sequence[str], side_px: int, *, kept: int = 600
    ) -> None:
        self._photos = tuple(photos)
        self._index = {label: index for index, label in enumerate(labels)}
        self._side_px = side_px
        self.picture = lru_cache(maxsize=kept)(self._picture)

    def __len__(self) -> int:
        return len(self._photos)

    def masked_objects(self) -> list[tuple[int, int, str | None]]:
        """Photo, index and label of each object that has a mask."""
        return [
            (photo, index, thing.label)
            for photo, true in enumerate(self._photos)
            for index, thing in enumerate(true.objects)
            if thing.mask is not None
        ]

    def _picture(self, index: int) -> Picture:
        photo = self._photos[index]
        image = _read(photo.file)
        scale = min(1.0, self._side_px / max(image.shape[:2]))
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        stretch = np.array([size[0] / photo.width_px, size[1] / photo.height_px])
        objects = photo.objects
        return Picture(
            image=np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8),
            owner=_drawn(objects, size, stretch),
            boxes=np.array([thing.box_px for thing in objects], np.float32).reshape(-1, 4)
            * np.tile(stretch, 2).astype(np.float32),
            labels=np.array([self._index.get(thing.label or "", UNNAMED) for thing in objects], np.int64),
            masked=np.array([thing.mask is not None for thing in objects], np.bool_),
        )


def seen_through(picture: Picture, matrix: Floats, width_px: int, height_px: int) -> Picture:
    """The picture under an affine map (2, 3) of its pixel edges, without the objects that it leaves too little of.

    Beyond the picture's edge it is grey.
    """
    centred = _of_pixel_centres(matrix)
    size = (width_px, height_px)
    image = cv2.warpAffine(picture.image, centred, size, flags=cv2.INTER_LINEAR, borderValue=[GREY] * 3)
    owner = cv2.warpAffine(picture.owner, centred, size, flags=cv2.INTER_NEAREST, borderValue=0)
    boxes = mapped(picture.boxes, matrix)
    seen = np.clip(boxes, 0, np.tile(np.array(size, np.float32), 2))
    kept = _areas(seen) >= _LEAST_SEEN * np.maximum(_areas(boxes), 1e-3)
    return tightened(
        Picture(np.asarray(image, np.uint8), np.asarray(owner, np.int16), seen, picture.labels, picture.masked), kept
    )


def tightened(picture: Picture, kept: NDArray[np.bool_]) -> Picture:
    """Boxes around what is seen of the masks, and only the objects of which something is and that are `kept`."""
    boxes, kept = picture.boxes.copy(), kept & (_areas(picture.boxes) >= 4)
    for index in np.flatnonzero(picture.masked & kept):
        x0, y0, x1, y1 = _whole_pixels(boxes[index], picture.owner.shape)
        mine = picture.owner[y0:y1, x0:x1] == index + 1
        rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
        if rows.size < 2 or columns.size < 2:
            kept[index] = False
        else:
            boxes[index] = x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1
    renamed = np.zeros(len(kept) + 1, np.int16)
    renamed[1:][kept] = np.arange(1, np.count_nonzero(kept) + 1)
    return Picture(picture.image, renamed[picture.owner], boxes[kept], picture.labels[kept], picture.masked[kept])


def _whole_pixels(box: Floats, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The box widened to whole pixels, a little more against rounding, inside the picture."""
    x0, y0, x1, y1 = (int(edge) for edge in (*np.floor(box[:2] - 2), *np.ceil(box[2:] + 2)))
    return max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])


def _read(file: Path) -> Image:
    """Raises DatasetInvalid."""
    bgr = cv2.imread(str(file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)  # they are stored upright
    if bgr is None:
        raise DatasetInvalid(f"The photo {file.name} can't be read.")
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


def _drawn(objects: Sequence[LabelledObject], size: tuple[int, int], stretch: NDArray[np.float64]) -> NDArray[np.int16]:
    """(h, w) owners; where masks overlap, the smaller object is on top."""
    owner = np.zeros(size[::-1], np.int16)
    masks = [(index, thing.mask) for index, thing in enumerate(objects) if thing.mask is not None]
    for index, placed in sorted(masks, key=lambda item: -item[1].mask.size):
        mask, origin = placed.mask, placed.origin_px
        matrix = np.array(
            [[stretch[0], 0, origin[0] * stretch[0]], [0, stretch[1], origin[1] * stretch[1]]], np.float32
        )
        x0, y0 = (int(v) for v in np.floor(matrix[:, 2]))
        matrix[:, 2] -= (x0, y0)
        part = int(np.ceil(mask.shape[1] * stretch[0])) + 2, int(np.ceil(mask.shape[0] * stretch[1])) + 2
        cover = cv2.warpAffine(mask.astype(np.uint8) * 255, _of_pixel_centres(matrix), part, flags=cv2.INTER_LINEAR)
        window = owner[max(y0, 0) : y0 + part[1], max(x0, 0) : x0 + part[0]]
        window[np.asarray(cover)[: window.shape[0], : window.shape[1]] > 127] = index + 1
    return owner


def _of_pixel_centres(matrix: Floats) -> Floats:
    """An affine map of edges, as OpenCV wants it: pixel i has its centre at i, not at i + 0.5."""
    linear = matrix[:, :2]
    shift = matrix[:, 2] + linear @ np.array([0.5, 0.5], np.float32) - np.float32(0.5)
    return np.column_stack([linear, shift]).astype(np.float32)


def mapped(boxes: Floats, matrix: Floats) -> Floats:
    """(n, 4) boxes around the mapped corners."""
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1), np.float32)


def _areas(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1), np.float32)
