"""What a photo looks like at a glance, and whether two photos show the same thing.

First look: the perceptual hash of `imagehash` (pHash: signs of a 32 x 32 DCT's lowest 8 x 8 frequencies). It also
agrees on different objects on one conveyor belt, so a hit is looked at twice: the thumbnails, brought to the same
brightness and contrast, must agree in each of 16 tiles. Where they don't as they are, they may after one is moved a
little (Evangelidis and Psarakis 2008, OpenCV's `findTransformECC`): the camera's next shot of the same plant.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from loc360.wire import Image

Floats = NDArray[np.float32]

MOST_BITS = 10
"""Hashes that differ in more of their 64 bits are of different photos. Of 39,281 pairs of different photos (166 real,
300 rendered, most of these on four belts and trays) 140 differ in no more, all of them on one and the same ground."""
LARGEST_DIFFERENCE = 0.2
"""Of a tile, as mean square over the thumbnail's variance. None of those 140 pairs passes. Of 218 photos all pass that
are saved anew at half the size or at JPEG quality 30, 99 % if brightened, 84 % if moved by 2 %, 20 % if by 5 %."""

_SIDE_PX, _TILES, _RIM_PX, _BLUR_PX = 32, 4, 2, 3
_UNTIL = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 1e-3)
_FARTHEST_PX, _LARGEST_TURN = 2.5, 0.1
"""A thumbnail moved or turned more than this no longer shows the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    phash: int
    """64 bits."""
    thumbnail: NDArray[np.uint8]
    """(32, 32) grey."""

    @property
    def metadata(self) -> dict[str, str]:
        """For an S3 object."""
        thumbnail = base64.b64encode(self.thumbnail.tobytes()).decode("ascii")
        return {"phash": f"{self.phash:016x}", "thumbnail": thumbnail}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "Look":
        """Raises KeyError or ValueError."""
        pixels = np.frombuffer(base64.b64decode(metadata["thumbnail"], validate=True), np.uint8)
        return cls(int(metadata["phash"], 16), pixels.reshape(_SIDE_PX, _SIDE_PX))


def look_of(image: Image) -> Look:
    """Of the upright photo, at any size."""
    import imagehash  # and with it scipy: only where photos are looked at

    return Look(int(str(imagehash.phash(Pillow.fromarray(image))), 16), thumbnail_of(image))


def thumbnail_of(image: Image) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def bits_between(some: Sequence[Look], others: Sequence[Look]) -> NDArray[np.uint8]:
    """(some, others): in how many bits the hashes differ."""
    a, b = (np.array([look.phash for look in looks], np.uint64) for looks in (some, others))
    return np.asarray(np.bitwise_count(a[:, None] ^ b[None, :]), np.uint8)


def shows_the_same(one: Look, other: Look) -> bool:
    """The second look."""
    a, b = one.thumbnail.astype(np.float32), other.thumbnail.astype(np.float32)
    return _difference(a, b) <= LARGEST_DIFFERENCE or _difference(*_moved_onto(a, b)) <= LARGEST_DIFFERENCE


def _difference(a: Floats, b: Floats) -> float:
    """Of the tile that differs most."""
    square = (_evened(a) - _evened(b)) ** 2
    rows = np.array_split(square, _TILES, axis=0)
    return max(float(tile.mean()) for row in rows for tile in np.array_split(row, _TILES, axis=1))


def _evened(thumbnail: Floats) -> Floats:
    """At mean 0 and variance 1; what has no contrast stays flat."""
    centred = thumbnail - thumbnail.mean()
    return np.asarray(centred / max(float(centred.std()), 1.0), np.float32)


def _moved_onto(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Both without their rims, b moved onto a; as they are, if nothing small does it."""
    still = np.eye(2, 3, dtype=np.float32)
    everywhere = np.ones(a.shape, np.uint8)
    try:
        _, moved_by = cv2.findTransformECC(a, b, still.copy(), cv2.MOTION_AFFINE, _UNTIL, everywhere, _BLUR_PX)
    except cv2.error:  # nothing in common
        return a, b
    found = np.asarray(moved_by, np.float32)
    change = np.abs(found - still)
    if change[:, 2].max() > _FARTHEST_PX or change[:, :2].max() > _LARGEST_TURN:
        return a, b
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(b, found, (_SIDE_PX, _SIDE_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inner = slice(_RIM_PX, -_RIM_PX)
    return a[inner, inner], np.asarray(moved[inner, inner], np.float32)
