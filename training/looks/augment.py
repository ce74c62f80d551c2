"""Other views of the same photos: turned, scaled, with objects of other photos laid on them.

Laying objects on other photos: Ghiasi et al., "Simple copy-paste is a strong data augmentation method for instance
segmentation", CVPR 2021.
"""

import cv2
import numpy as np

from loc360.wire import Image
from training.looks.pictures import Floats, Picture, mapped, seen_through, tightened

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
    matrix = placed(rng, middle_of(thing.boxes[0]), onto, scale, any_angle=True)
    x0, y0, x1, y1 = _window(mapped(thing.boxes, matrix)[0], picture.owner.shape)
    if x1 <= x0 or y1 <= y0:
        return picture
    corner = np.array([x0, y0], np.float32)
    laid = seen_through(thing, np.column_stack([matrix[:, :2], matrix[:, 2] - corner]), x1 - x0, y1 - y0)
    if not len(laid.boxes):
        return picture
    over, count = laid.owner > 0, len(picture.boxes)
    image, owner = picture.image.copy(), picture.owner.copy()
    image[y0:y1, x0:x1] = _composed(rng, image[y0:y1, x0:x1], laid.image, over.astype(np.float32))
    owner[y0:y1, x0:x1][over] = count + 1
    before = np.bincount(picture.owner.ravel(), minlength=count + 1)[1:]
    after = np.bincount(owner.ravel(), minlength=count + 2)[1:-1]
    together = Picture(
        image,
        owner,
        np.concatenate([picture.boxes, laid.boxes + np.tile(corner, 2)]),
        np.concatenate([picture.labels, laid.labels]),
        np.concatenate([picture.masked, laid.masked]),
    )
    return tightened(together, np.append(after >= _LEAST_LEFT * before, True))


def _window(box: Floats, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of whole pixels of the picture that the object and its shadow reach."""
    reach = 0.5 * (box[2:] - box[:2]).max() + 4
    x0, y0, x1, y1 = (int(edge) for edge in (*(box[:2] - reach), *(box[2:] + reach)))
    return max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])


def _composed(rng: np.random.Generator, below: Image, above: Image, cover: Floats) -> Image:
    """One image over the other where `cover` (h, w) is 1, in its own brightness and with a shadow to one side."""
    soft = cv2.GaussianBlur(cover, (0, 0), 0.7)[..., None]
    reach = 0.12 * np.sqrt(cover.sum())
    aside = np.array([[1, 0, rng.normal(0, reach)], [0, 1, rng.normal(0, reach)]], np.float32)
    shadow = cv2.GaussianBlur(cv2.warpAffine(cover, aside, cover.shape[::-1]), (0, 0), max(0.5 * reach, 0.5))
    shaded = below * (1 - np.float32(rng.uniform(0, 0.6)) * shadow[..., None])
    mixed = shaded * (1 - soft) + above * (soft * np.float32(rng.uniform(0.75, 1.25)))
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)
