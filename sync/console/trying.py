"""The box to try: a photo goes through the live chain, and the page shows what came of it."""

from __future__ import annotations

import hashlib
import io
import math
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from PIL import Image as Pillow

from phenoloop.chain.chain import Chain, ChainResult
from phenoloop.chain.images import StoredImage
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.deadlines import time_limit
from phenoloop.errors import BucketMissing, ConsoleBusy, ImageRefused, ImageUnreadable
from phenoloop.settings import StorageSettings
from sync.console.drawing import drawn

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MAX_BYTES = 20 * 1024 * 1024
FORMATS = {"JPEG": "jpg", "PNG": "png"}
AT_ONCE = 2
TIMEOUT_S = 60.0
INCOMING = "incoming/"
"""Below the images' prefix: photos that came by hand."""


@dataclass(frozen=True, slots=True)
class Tried:
    result: ChainResult
    picture: str
    """`data:` URI."""
    seconds: float
    stored: str
    """URI of the photo, which is then a task; empty if it was not kept."""


class TryBox:
    """Safe to use from many threads."""

    def __init__(self, chain: Chain, s3: S3Client, storage: StorageSettings) -> None:
        self._chain, self._s3, self._storage = chain, s3, storage
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def tried(self, photo: bytes, *, mm_per_px: float | None, keep: bool) -> Tried:
        """Run the photo through the live chain; `keep` also stores it, which makes it a task.

        Raises ConsoleBusy, ImageRefused (size, format, scale), ImageUnreadable, BucketMissing, and what the chain
        raises.
        """
        ending, digest = _format(photo), hashlib.sha256(photo).hexdigest()
        if mm_per_px is not None and not (math.isfinite(mm_per_px) and mm_per_px > 0):
            raise ImageRefused("The scale is no number above 0.", mm_per_px=mm_per_px)
        with self._place(), tempfile.NamedTemporaryFile(suffix=f".{ending}") as file:
            file.write(photo)
            file.flush()
            path, started_s = Path(file.name), time.monotonic()
            with time_limit(TIMEOUT_S):
                result = self._chain.annotate(StoredImage(path, digest, mm_per_px, None))
            seconds = time.monotonic() - started_s
            stored = self._store(photo, f"{digest[:16]}.{ending}", mm_per_px) if keep else ""
            return Tried(result, drawn(path, result), seconds, stored)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise ConsoleBusy("Others are trying photos now.", cure="Try again in a moment.")
        try:
            yield
        finally:
            self._places.release()

    def _store(self, photo: bytes, name: str, mm_per_px: float | None) -> str:
        """Under its content's hash: the same photo twice is one task."""
        bucket, key = self._storage.bucket, f"{self._storage.images_prefix}{INCOMING}{name}"
        with s3_errors(BucketMissing, key=key):
            self._s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=photo,
                ContentType="image/png" if name.endswith(".png") else "image/jpeg",
                Metadata={} if mm_per_px is None else {"mm-per-px": f"{mm_per_px:g}"},
            )
        structlog.get_logger().info("photo stored from the console", key=key)
        return f"s3://{bucket}/{key}"


def _format(photo: bytes) -> str:
    """The file name's ending."""
    if not photo:
        raise ImageRefused("No photo was chosen.", cure="Choose a JPEG or PNG file.")
    if len(photo) > MAX_BYTES:
        raise ImageRefused("The photo is too large.", bytes=len(photo), max_bytes=MAX_BYTES)
    try:
        with Pillow.open(io.BytesIO(photo), formats=tuple(FORMATS)) as picture:
            return FORMATS["JPEG" if picture.format == "MPO" else str(picture.format)]
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise ImageUnreadable("The file is no JPEG or PNG that can be opened.") from error
