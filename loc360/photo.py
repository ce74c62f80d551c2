"""Photos in: whatever a camera or scanner writes becomes upright 8-bit RGB.

Pixel values are taken as sRGB; an embedded colour profile is not applied. Of a file with several frames the first
counts.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageOps
from PIL import Image as Pillow

from loc360.errors import PhotoUnreadable
from loc360.pictures import BROKEN_PICTURE, Image, refuse_many_scans

MAX_PIXELS = 170_000_000
"""A photo with more is refused before it is decoded; decoding needs about 8 bytes a pixel."""

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "PPM", "AVIF")
"""Only these are tried, in this order (phones' MPO is a JPEG): of Pillow's other readers some start programs (EPS)."""

_KEPT: ContextVar[dict[tuple[int, ...], Image] | None] = ContextVar("kept", default=None)
_TURNED_SIDEWAYS = (5, 6, 7, 8)
_BAND_PX = 256
_JPEG_END = b"\xff\xd9"
_UNWRITTEN = 1


@contextmanager
def decoded_once() -> Iterator[None]:
    """In here `read_photo` decodes the same file once, and then gives the same pixels again, which can't be written to.

    For a caller that runs all steps of one photo in one process: outside of it nothing is remembered between calls. One
    photo is kept, told from others by device, inode, size and time of change, and let go of at the end.
    """
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def read_photo(path: str) -> Image:
    """The EXIF-upright photo at full size: (height, width, 3) uint8 RGB, contiguous.

    Grey and CMYK become RGB, transparency is put on white, 16 bits are scaled to 8.
    Raises PhotoUnreadable: missing, truncated, no image, more than `MAX_PIXELS`, or of a kind without a defined white.
    """
    if (kept := _KEPT.get()) is None:
        return _decoded(path)
    identity = _identity(path)
    if identity not in kept:
        kept.clear()
        kept[identity] = _decoded(path)
        kept[identity].flags.writeable = False
    return kept[identity]


def read_photo_scaled(path: str, side_px: int) -> Image:
    """The EXIF-upright photo with its long side at most `side_px`, never enlarged: (height, width, 3) uint8 RGB.

    Of a large JPEG only the frequencies needed are decoded (libjpeg's 1/2, 1/4, 1/8), so the far edge may be off by
    a quarter pixel of the result. Raises PhotoUnreadable like `read_photo`.
    """
    with _opened(path) as picture:
        # twice the size: libjpeg's own scaling is coarser than ours
        full_size = picture.size
        drafted = picture.draft(None, scaled_size(*full_size, 2 * side_px))
        if drafted is not None and picture.size != full_size:
            # blocks at the right and lower edge hang over the photo
            right, lower = drafted[1][2:]
            picture = picture.crop((0, 0, max(1, round(right)), max(1, round(lower))))
            return scaled_down(_upright_rgb(picture), side_px)
    return scaled_down(read_photo(path), side_px)


def photo_size(path: str) -> tuple[int, int]:
    """(width, height) in pixels of the EXIF-upright photo, read from its header.

    Raises PhotoUnreadable.
    """
    with _opened(path) as picture:
        # Pillow gives a TIFF's size upright already
        sideways = picture.format != "TIFF" and picture.getexif().get(ExifTags.Base.Orientation) in _TURNED_SIDEWAYS
        return (picture.height, picture.width) if sideways else (picture.width, picture.height)


def scaled_down(image: Image, side_px: int) -> Image:
    """The image with its long side at most `side_px`; itself if it is small enough.

    Halved by area average while it is twice as large or more, then interpolated, which leaves no pixel out below that:
    a fifth of the time of an area average by any other factor, and less than a grey level off it on photos.
    """
    height, width = image.shape[:2]
    size = scaled_size(width, height, side_px)
    if size == (width, height):
        return image
    while max(image.shape[:2]) >= 2 * side_px:
        half = (max(1, image.shape[1] // 2), max(1, image.shape[0] // 2))
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def scaled_size(width_px: int, height_px: int, side_px: int) -> tuple[int, int]:
    """(width, height) with the long side at most `side_px`, the short one at least 1."""
    scale = min(1.0, side_px / max(width_px, height_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _decoded(path: str) -> Image:
    with _opened(path) as picture:
        pixels = _plain_jpeg(path, *picture.size) if picture.format == "JPEG" and _is_plain(picture) else None
        return _upright_rgb(picture) if pixels is None else pixels


def _is_plain(picture: Pillow.Image) -> bool:
    return picture.mode == "RGB" and picture.getexif().get(ExifTags.Base.Orientation, 1) == 1


def _plain_jpeg(path: str, width_px: int, height_px: int) -> Image | None:
    """By OpenCV, in half the time: of an upright RGB JPEG the very pixels that Pillow gives.

    None if it has no end: OpenCV would make up what is missing, Pillow refuses. None also if OpenCV wrote nothing.
    """
    with Path(path).open("rb") as file:
        file.seek(-len(_JPEG_END), os.SEEK_END)
        if file.read() != _JPEG_END:
            return None
    pixels = np.empty((height_px, width_px, 3), np.uint8)
    pixels[-1] = _UNWRITTEN  # into memory of ours, without a copy, OpenCV does not say whether it read a file
    read: object = cv2.imread(path, pixels, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if read is not pixels or (pixels[-1] == _UNWRITTEN).all() else pixels


def _identity(path: str) -> tuple[int, ...]:
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise PhotoUnreadable(f"The photo can't be opened: {error!r}.") from error
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


@contextmanager
def _opened(path: str) -> Iterator[Pillow.Image]:
    try:
        # given the path, Pillow would map plain TIFFs into memory, and those stored sideways in the wrong size
        with Path(path).open("rb") as file, Pillow.open(file, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise PhotoUnreadable(f"The photo has {picture.width} x {picture.height} pixels, over {MAX_PIXELS}.")
            if picture.info.get("progressive"):
                refuse_many_scans(Path(path).read_bytes())
            yield picture
    except BROKEN_PICTURE as error:
        raise PhotoUnreadable(f"The photo can't be opened: {error!r}.") from error


def _upright_rgb(picture: Pillow.Image) -> Image:
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return _pixels(picture, _eight_bits)
    if picture.mode == "F":
        raise PhotoUnreadable("A floating-point photo has no defined white; save it with 8 or 16 bits.")
    if picture.has_transparency_data:
        picture = _on_white(picture.convert("RGBA"))
    return _pixels(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _pixels(picture: Pillow.Image, colours: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray) -> Image:
    """By bands of rows: in one go Pillow would hold the photo two more times, and 16 bits would become 64."""
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for top in range(0, picture.height, _BAND_PX):
        bottom = min(top + _BAND_PX, picture.height)
        pixels[top:bottom] = colours(np.asarray(picture.crop((0, top, picture.width, bottom))))
    return pixels


def _eight_bits(grey: NDArray[Any]) -> NDArray[Any]:
    if grey.min() < 0 or grey.max() > 65535:
        raise PhotoUnreadable("A photo of more than 16 bits has no defined white; save it with 8 or 16 bits.")
    return np.asarray(np.rint(grey / 257)[..., None])  # 65535 / 255


def _on_white(picture: Pillow.Image) -> Pillow.Image:
    white = Pillow.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture)
    return white
