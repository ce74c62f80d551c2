"""Other views of the same photos: turned, scaled, in other light, with objects of other photos laid on them.

Laying objects on other photos: Ghiasi et al., "Simple copy-paste is a strong data augmentation method for instance
segmentation", CVPR 2021.
"""

import cv2
import numpy as np

from loc360.wire import Image
from training.pictures import Floats, Picture, seen_through, tightened

_LEAST_LEFT = 0.35
"""Share of an object that others may leave of it, for it to still count as one."""


def placed(rng: np.random.Generator, centre: Floats, onto: Floats, scale: float, *, any_angle: bool) -> Floats:
    """(2, 3) map that brings `centre` (2,) to `onto` (2,), scaled, mirrored at random, and turned."""
    angle = rng.uniform(0, 2 * np.pi) if any_angle else rng.integers(4) * np.pi / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.diag([rng.choice([-1.0, 1.0]), 1.0])
    return np.column_stack([linear, onto - linear @ centre]).astype(np.float32)


def cut_out(source: Picture, index: int) -> Picture:
    """The masked object `index` alone, with a few pixels of its surroundings."""
    height, width = source.owner.shape
    x0, y0 = (max(int(edge) - 4, 0) for edge in source.boxes[index, :2])
    x1, y1 = min(int(source.boxes[index, 2]) + 5, width), min(int(source.boxes[index, 3]) + 5, height)
    return Picture(
        image=source.image[y0:y1, x0:x1],
        owner=(source.owner[y0:y1, x0:x1] == index + 1).astype(np.int16),
        boxes=source.boxes[[index]] - np.array([x0, y0, x0, y0], np.float32),
        labels=source.labels[[index]],
        masked=np.ones(1, np.bool_),
    )


def middle_of(box: Floats) -> Floats:
    """(2,) of (4,)."""
    return np.asarray((box[:2] + box[2:]) / 2, np.float32)


def pasted(rng: np.random.Generator, picture: Picture, thing: Picture, scale: float, onto: Floats) -> Picture:
    """The picture with a `cut_out` object laid on it, its box's centre at `onto` (2,), with a shadow."""
    height, width = picture.owner.shape
    centre = middle_of(thing.boxes[0])
    laid = seen_through(thing, placed(rng, centre, onto, scale, any_angle=True), width, height)
    if not len(laid.boxes):
        return picture
    over = laid.owner > 0
    image = _composed(rng, picture.image, laid.image, over.astype(np.float32))
    count = len(picture.boxes)
    owner = np.where(over, np.int16(count + 1), picture.owner)
    before = np.bincount(picture.owner.ravel(), minlength=count + 1)[1:]
    after = np.bincount(owner.ravel(), minlength=count + 2)[1:-1]
    together = Picture(
        image,
        owner,
        np.concatenate([picture.boxes, laid.boxes]),
        np.concatenate([picture.labels, laid.labels]),
        np.concatenate([picture.masked, laid.masked]),
    )
    return tightened(together, np.append(after >= _LEAST_LEFT * before, True))


def recoloured(rng: np.random.Generator, image: Image) -> Image:
    """Under another light, by another camera. Hue moves little: it tells the kinds apart."""
    values = image.astype(np.float32) / 255
    values = values ** np.float32(np.exp(rng.normal(0, 0.18)))
    values *= np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.05, 3)).astype(np.float32)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * np.float32(np.exp(rng.normal(0, 0.15)))
    middle = values.mean()
    values = middle + (values - middle) * np.float32(np.exp(rng.normal(0, 0.15)))
    if rng.random() < 0.2:
        values = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.2:
        values += rng.normal(0, rng.uniform(0.005, 0.03), values.shape).astype(np.float32)
    return np.asarray(np.clip(values * 255, 0, 255), np.uint8)


def _composed(rng: np.random.Generator, below: Image, above: Image, cover: Floats) -> Image:
    """One image over the other where `cover` (h, w) is 1, in its own brightness and with a shadow to one side."""
    soft = cv2.GaussianBlur(cover, (0, 0), 0.7)[..., None]
    reach = 0.12 * np.sqrt(cover.sum())
    aside = np.array([[1, 0, rng.normal(0, reach)], [0, 1, rng.normal(0, reach)]], np.float32)
    shadow = cv2.GaussianBlur(cv2.warpAffine(cover, aside, cover.shape[::-1]), (0, 0), max(0.5 * reach, 0.5))
    shaded = below * (1 - np.float32(rng.uniform(0, 0.6)) * shadow[..., None])
    mixed = shaded * (1 - soft) + above * (soft * np.float32(rng.uniform(0.75, 1.25)))
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)
