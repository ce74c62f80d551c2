"""Photos no larger than a side, kept in S3 between runs: each is fetched and scaled down once.

Its key tells the photo's url, its ETag and the side, so another photo under an old url is another object; its metadata
tell the photo's own size and its look. Any of them may be deleted at any time: it is made anew.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore
from typing import Any

import cv2

from loc360.errors import PhotoUnreadable
from loc360.photo import photo_size, read_photo_scaled
from loc360.wire import Image
from training.data.likeness import Look
from training.data.objects import described, downloaded, stored
from training.data.preparation import Unusable
from training.errors import JobFailed, ObjectMissing

JPEG_QUALITY = 92
_FORM = 1
"""Of what is kept; another one is another object."""


@dataclass(frozen=True, slots=True, eq=False)
class CachedPhoto:
    url: str
    """Of the photo scaled down, a JPEG."""
    etag: str
    """Of the original."""
    width_px: int
    """Of the upright original."""
    height_px: int
    look: Look
    was_there: bool


class PhotoCache:
    def __init__(self, s3: Any, folder_url: str, side_px: int, look_of: Callable[[Image], Look]) -> None:
        self._s3, self._side_px, self._look_of = s3, side_px, look_of
        self._folder_url = folder_url.rstrip("/")
        self._decoding = Semaphore(os.cpu_count() or 1)  # a photo of 170 megapixels takes half a gigabyte

    def photo(self, url: str) -> CachedPhoto:
        """Raises Unusable (missing, unreadable), and JobFailed if S3 does not answer."""
        try:
            etag = described(self._s3, url).etag
            return self._found(url, etag) or self._made(url)
        except ObjectMissing as error:
            raise Unusable(f"The photo can't be fetched: {error}.") from error

    def _found(self, url: str, etag: str) -> CachedPhoto | None:
        there = self._url(url, etag)
        try:
            facts = described(self._s3, there).metadata
            size = int(facts["width-px"]), int(facts["height-px"])
            return CachedPhoto(there, etag, *size, Look.from_metadata(facts), was_there=True)
        except (ObjectMissing, KeyError, ValueError):  # not there, or not as we keep it
            return None

    def _made(self, url: str) -> CachedPhoto:
        with tempfile.TemporaryDirectory() as folder:
            original = Path(folder) / "photo"
            etag = downloaded(self._s3, url, original).etag
            with self._decoding:
                image, (width_px, height_px) = scaled_photo(original, self._side_px)
        look, there = self._look_of(image), self._url(url, etag)
        size = {"width-px": str(width_px), "height-px": str(height_px)}
        stored(self._s3, there, jpeg(image), size | look.metadata)
        return CachedPhoto(there, etag, width_px, height_px, look, was_there=False)

    def _url(self, url: str, etag: str) -> str:
        name = hashlib.sha256(json.dumps([_FORM, url, etag]).encode()).hexdigest()
        return f"{self._folder_url}/{self._side_px}/{name}.jpg"


def scaled_photo(original: Path, side_px: int) -> tuple[Image, tuple[int, int]]:
    """The upright photo scaled down, and the (width, height) of the whole. Raises Unusable, also if it is truncated."""
    try:
        return read_photo_scaled(str(original), side_px), photo_size(str(original))
    except PhotoUnreadable as error:
        raise Unusable(str(error)) from error


def jpeg(image: Image) -> bytes:
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise JobFailed(f"A photo could not be encoded (shape {image.shape}).")
    return bytes(data.tobytes())
