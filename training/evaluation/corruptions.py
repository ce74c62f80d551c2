"""Photos spoilt the way fields and cameras spoil them, in grades, and where their objects are then.

The kinds follow Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019, and what differs from camera to camera: how far away and how level it is held, and its white
balance. The same photo, kind and grade give the same pixels.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from loc360.wire import Box, Image
from training.data.dataset import LabelledObject, LabelledPhoto
from training.masks import PlacedMask, trimmed


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a photo's pixels go, in a frame that holds them all."""

    angle: float = 0.0
    """Radians, counter-clockwise as seen."""
    scale: float = 1.0

    def frame(self, width_px: int, height_px: int) -> tuple[int, int]:
        """(width, height) of the frame; a smaller photo lies in the middle of as large a one."""
        cos, sin = abs(math.cos(self.angle)), abs(math.sin(self.angle))
        return round(width_px * cos + height_px * sin), round(width_px * sin + height_px * cos)

    def to_frame(self, width_px: int, height_px: int) -> NDArray[np.float64]:
        """(2, 3) map of coordinates (of edges, not of centres) from the photo to the frame."""
        turn = self.scale * np.array(
            [[math.cos(self.angle), math.sin(self.angle)], [-math.sin(self.angle), math.cos(self.angle)]]
        )
        centre, middle = np.array([width_px, height_px]) / 2, np.array(self.frame(width_px, height_px)) / 2
        return np.column_stack([turn, middle - turn @ centre])


@dataclass(frozen=True, slots=True)
class Corruption:
    name: str
    unit: str
    """What a grade's number means."""
    grades: tuple[float, ...]
    """Ever stronger."""
    recoloured: Callable[[Image, float], Image] | None = None
    placed: Callable[[float], Placement] | None = None

    def spoilt(self, image: Image, photo: LabelledPhoto, grade: float) -> tuple[Image, LabelledPhoto]:
        """The spoilt pixels of a photo's `image` (H, W, 3) uint8, and the photo with what is where on them."""
        if self.recoloured is not None:
            return self.recoloured(image, grade), photo
        return _moved(image, photo, self.placed(grade) if self.placed else Placement())


def _noisy(image: Image, sigma: float) -> Image:
    return _bytes(image + np.random.default_rng(0).normal(0, sigma, image.shape))


def _blurred(image: Image, sigma_px: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8)


def _exposed(image: Image, stops: float) -> Image:
    """Scaled in linear light, clipped as a sensor does; sRGB's curve is taken as a power of 2.2."""
    linear = np.linspace(0, 1, 256) ** 2.2 * 2**stops
    return np.asarray(cv2.LUT(image, _bytes(np.clip(linear, 0, 1) ** (1 / 2.2) * 255)), np.uint8)


def _compressed(image: Image, quality: float) -> Image:
    with io.BytesIO() as file:
        Pillow.fromarray(image).save(file, "JPEG", quality=int(quality))
        return np.asarray(Pillow.open(file))


def _tinted(image: Image, share: float) -> Image:
    """Towards yellow, as under a lamp or a low sun."""
    return _bytes(image * np.array([1 + share, 1.0, 1 - share]))


CORRUPTIONS = (
    Corruption("noise", "standard deviation, of 255", (8, 20, 40), recoloured=_noisy),
    Corruption("blur", "standard deviation, px", (1, 2.5, 5), recoloured=_blurred),
    Corruption("dark", "stops under", (1, 2, 3), recoloured=lambda image, stops: _exposed(image, -stops)),
    Corruption("bright", "stops over", (0.5, 1, 1.5), recoloured=_exposed),
    Corruption("JPEG", "quality, of 100", (40, 20, 8), recoloured=_compressed),
    Corruption("rotation", "degrees", (10, 30, 90), placed=lambda degrees: Placement(angle=math.radians(degrees))),
    Corruption("scale", "times as large", (0.8, 0.6, 0.4), placed=lambda factor: Placement(scale=factor)),
    Corruption("colour cast", "red up and blue down by", (0.1, 0.2, 0.35), recoloured=_tinted),
)


def _moved(image: Image, photo: LabelledPhoto, placement: Placement) -> tuple[Image, LabelledPhoto]:
    """What lies outside of the photo has its mean colour."""
    to_frame = placement.to_frame(photo.width_px, photo.height_px)
    size = placement.frame(photo.width_px, photo.height_px)
    around = tuple(map(float, image.mean(axis=(0, 1))))
    smooth = image if placement.scale >= 1 else _blurred(image, 0.4 / placement.scale)
    shown = cv2.warpAffine(smooth, _of_centres(to_frame), size, flags=cv2.INTER_LINEAR, borderValue=around)
    return np.asarray(shown, np.uint8), replace(
        photo,
        width_px=size[0],
        height_px=size[1],
        mm_per_px=None if photo.mm_per_px is None else photo.mm_per_px / placement.scale,
        objects=tuple(_placed(thing, to_frame) for thing in photo.objects),
    )


def _placed(thing: LabelledObject, to_frame: NDArray[np.float64]) -> LabelledObject:
    """The box is tight around the mask; of a box alone it is that of the ellipse in it, since few vegetables have
    corners.
    """
    mask = thing.mask and trimmed(_mask_placed(thing.mask, to_frame))
    if mask is None:
        return replace(thing, box_px=_ellipse_box(thing.box_px, to_frame), mask=None)
    return replace(thing, box_px=mask.box_px, mask=mask)


def _mask_placed(mask: PlacedMask, to_frame: NDArray[np.float64]) -> PlacedMask:
    x0, y0, x1, y1 = mask.box_px
    corners = to_frame @ np.array([[x0, x1, x0, x1], [y0, y0, y1, y1], [1, 1, 1, 1]])
    left, top = (math.floor(edge) for edge in corners.min(axis=1))
    right, bottom = (math.ceil(edge) for edge in corners.max(axis=1))
    from_mask = to_frame.copy()
    from_mask[:, 2] += to_frame[:, :2] @ (x0, y0) - (left, top)
    size = (max(right - left, 1), max(bottom - top, 1))
    cover = cv2.warpAffine(mask.mask.astype(np.uint8) * 255, _of_centres(from_mask), size, flags=cv2.INTER_LINEAR)
    return PlacedMask(np.asarray(cover > 127, np.bool_), (left, top))


def _ellipse_box(box: Box, to_frame: NDArray[np.float64]) -> Box:
    middle = to_frame @ ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, 1)
    half = np.hypot(*(to_frame[:, :2] * ((box.x1 - box.x0) / 2, (box.y1 - box.y0) / 2)).T)
    return Box(*(middle - half).tolist(), *(middle + half).tolist())


def _of_centres(to_frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same map for OpenCV, where a pixel's centre is a whole number."""
    shifted = to_frame.copy()
    shifted[:, 2] += to_frame[:, :2] @ (0.5, 0.5) - 0.5
    return shifted


def _bytes(values: NDArray[np.float64]) -> Image:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
