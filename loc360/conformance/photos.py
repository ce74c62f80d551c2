"""Photos made for the check: of nothing, of noise, turned, twice side by side, and torn."""

from pathlib import Path

import numpy as np
from PIL import ExifTags
from PIL import Image as Pillow

from loc360.photo import read_photo_scaled

_SIDE_PX = 1024
_TURNED = 6
"""EXIF: the camera was held so that the photo has to be turned by 90 degrees clockwise."""


def blank(folder: Path) -> str:
    return _saved(Pillow.new("RGB", (320, 240), (128, 128, 128)), folder / "blank.png")


def noise(folder: Path) -> str:
    """12 megapixels that compress to next to nothing less."""
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), np.uint8)
    return _saved(Pillow.fromarray(pixels), folder / "noise.bmp")


def upright_and_turned(photo: str, folder: Path) -> tuple[str, str]:
    """The same upright pixels, stored as they are and stored sideways. Lossless, so that they are the same."""
    upright = _small(photo)
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = _TURNED
    path = folder / "turned.png"
    upright.transpose(Pillow.Transpose.ROTATE_90).save(path, exif=exif)
    return _saved(upright, folder / "upright.png"), str(path)


def twice(photo: str, folder: Path) -> str:
    """Side by side: of what shows one object this shows several."""
    once = _small(photo)
    both = Pillow.new("RGB", (2 * once.width, once.height))
    both.paste(once, (0, 0))
    both.paste(once, (once.width, 0))
    return _saved(both, folder / "twice.png")


def unreadable(folder: Path) -> dict[str, str]:
    """What is wrong with it -> path."""
    whole, half, words = folder / "whole.jpg", folder / "half.jpg", folder / "words.jpg"
    pixels = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    data = Path(_saved(Pillow.fromarray(pixels), whole)).read_bytes()
    half.write_bytes(data[: len(data) // 2])
    words.write_text("This is no photo.")
    return {"missing": str(folder / "missing.jpg"), "torn in half": str(half), "no image": str(words)}


def _small(photo: str) -> Pillow.Image:
    return Pillow.fromarray(read_photo_scaled(photo, _SIDE_PX))


def _saved(picture: Pillow.Image, path: Path) -> str:
    picture.save(path)
    return str(path)
