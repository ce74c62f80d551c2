"""What the segmenter is trained on: crops around one object, as the chain cuts them, others laid over and under it."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from loc360.wire import Image
from training.looks.augment import cut_out, middle_of, pasted, placed
from training.looks.augmentations import Augmentation
from training.looks.pictures import GREY, Album, Floats, Picture, seen_through

MARGIN = 0.25
"""Around the box, as a share of its longer side, as the manifest has it."""
_POINT_SHARE = 0.25
_POINT_WINDOW = 0.3
"""Side of the window around a point over the photo's shorter side, as annotators' tools have it."""
_MINE = 1_000_000


class Crop(NamedTuple):
    image: Image
    """(side, side, 3)"""
    mask: Floats
    """(side, side) 0 or 1."""
    box: Floats
    """(4,) pixels of the crop: about the object's, or the window around the point."""
    shown: tuple[int, int, int, int]
    """x0, y0, x1, y1 of what the chain would cut; grey around."""
    point: Floats | None
    """(2,)"""


def crop(
    rng: np.random.Generator, album: Album, photo: int, index: int, side_px: int, recoloured: Augmentation
) -> Crop | None:
    """The object `index` of a photo in another view and light; None if too little of it is left to be seen."""
    source = album.picture(photo)
    own = replace(source, labels=np.where(np.arange(len(source.labels)) == index, _MINE, source.labels))
    sides = source.boxes[index, 2:] - source.boxes[index, :2]
    by_point = rng.random() < _POINT_SHARE
    window = _POINT_WINDOW * min(source.owner.shape) * np.exp(rng.normal(0, 0.2)) if by_point else float(sides.max())
    scale = side_px / ((1 + 2 * MARGIN) * window)
    middle = np.full(2, side_px / 2, np.float32)
    if rng.random() < 0.35:
        picture = _on_another(rng, album, own, index, float(scale), middle)
    else:
        centre = middle_of(own.boxes[index])
        picture = seen_through(own, placed(rng, centre, middle, float(scale), any_angle=True), side_px, side_px)
    for _ in range(int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))):
        picture = _beside(rng, album, picture, middle)
    asked = _asked(rng, picture, by_point, window * scale)
    return asked and asked._replace(image=_seen(recoloured(rng, asked.image), asked.shown))


def _on_another(
    rng: np.random.Generator, album: Album, own: Picture, index: int, scale: float, middle: Floats
) -> Picture:
    """The object laid on another photo, near an object there."""
    other = album.picture(int(rng.integers(len(album))))
    side_px = int(2 * middle[0])
    if len(other.boxes):
        box = other.boxes[rng.integers(len(other.boxes))]
        reach = float((box[2:] - box[:2]).max())
        near = side_px / (reach * rng.uniform(1.2, 2.5))
        matrix = placed(
            rng, middle_of(box), (middle + _aside(rng, 0.35 * side_px)).astype(np.float32), near, any_angle=True
        )
    else:
        near = side_px / (0.4 * min(other.owner.shape))
        matrix = placed(
            rng, np.asarray(np.array(other.owner.shape[::-1]) / 2, np.float32), middle, near, any_angle=True
        )
    return pasted(rng, seen_through(other, matrix, side_px, side_px), cut_out(own, index), scale, middle)


def _beside(rng: np.random.Generator, album: Album, picture: Picture, middle: Floats) -> Picture:
    """With an object of any photo laid close to the middle one, or over its rim."""
    source = album.picture(int(rng.integers(len(album))))
    masked = np.flatnonzero(source.masked)
    if not masked.size:
        return picture
    thing = cut_out(source, int(rng.choice(masked)))
    reach = float((thing.boxes[0, 2:] - thing.boxes[0, :2]).max())
    scale = 2 * middle[0] * rng.uniform(0.3, 0.9) / reach
    angle = rng.uniform(0, 2 * np.pi)
    onto = middle + middle * rng.uniform(0.55, 1.1) * np.array([np.cos(angle), np.sin(angle)])
    return pasted(rng, picture, thing, float(scale), onto.astype(np.float32))


def _asked(rng: np.random.Generator, picture: Picture, by_point: bool, window_px: float) -> Crop | None:  # noqa: FBT001
    """The crop as the chain would cut it: a box a little off, or a window around a point of the object."""
    found = np.flatnonzero(picture.labels == _MINE)
    if not found.size:
        return None
    mask = (picture.owner == found[0] + 1).astype(np.float32)
    if mask.sum() < 30:
        return None
    box, point = picture.boxes[found[0]], None
    if by_point:
        rows, columns = np.nonzero(mask)
        chosen = rng.integers(len(rows))
        point = np.array([columns[chosen], rows[chosen]], np.float32) + 0.5
        box = np.concatenate([point - window_px / 2, point + window_px / 2]).astype(np.float32)
    else:
        sides = np.tile(box[2:] - box[:2], 2)
        box = box + (rng.normal(0, 0.05, 4) * sides).astype(np.float32)
    context = MARGIN * float((box[2:] - box[:2]).max())
    side_px = len(mask)
    x0, y0 = (min(max(int(edge - context), 0), side_px // 2) for edge in box[:2])
    x1, y1 = (max(min(int(edge + context) + 1, side_px), side_px // 2) for edge in box[2:])
    mask = np.pad(mask[y0:y1, x0:x1], ((y0, side_px - y1), (x0, side_px - x1)))
    return Crop(picture.image, mask, box.astype(np.float32), (x0, y0, x1, y1), point)


def _seen(image: Image, shown: tuple[int, int, int, int]) -> Image:
    """With nothing but grey around what is shown."""
    x0, y0, x1, y1 = shown
    seen = np.full_like(image, GREY)
    seen[y0:y1, x0:x1] = image[y0:y1, x0:x1]
    return seen


def _aside(rng: np.random.Generator, spread_px: float) -> Floats:
    return rng.normal(0, spread_px, 2).astype(np.float32)
