"""Photos on S3, read with our own credentials."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import ImageMissing, ImageRefused

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What S3 tells of a photo without sending it."""

    etag: str
    mm_per_px: float | None
    """Scale of the upright photo at full size, from the object's user metadata `mm-per-px`."""
    group: str | None
    """Photos of one plot or plant, from the user metadata `group`."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A photo while it lies on this machine."""

    path: Path
    etag: str
    mm_per_px: float | None
    """Scale of the upright photo at full size, from the object's user metadata `mm-per-px`."""
    group: str | None
    """Photos of one plot or plant, from the user metadata `group`."""


class ImageStore:
    """Fetches `s3://bucket/key` from the allowed buckets and nowhere else."""

    def __init__(self, s3_client: S3Client, allowed_buckets: Collection[str], max_bytes: int) -> None:
        self._s3 = s3_client
        self._allowed_buckets = frozenset(allowed_buckets)
        self._max_bytes = max_bytes

    @contextmanager
    def fetch(self, uri: str) -> Iterator[StoredImage]:
        """The photo in a temporary file, which is gone after the `with` block.

        Raises ImageRefused (another bucket, no S3 URI, too large, a scale that is none), ImageMissing,
        StorageUnavailable.
        """
        bucket, key = self._location(uri)
        with tempfile.NamedTemporaryFile(prefix="phenoloop-photo-") as file:
            with s3_errors(ImageMissing, uri=uri):
                reply = self._s3.get_object(Bucket=bucket, Key=key)
                self._refuse_too_large(uri, reply["ContentLength"])
                shutil.copyfileobj(reply["Body"], file)
            file.flush()
            yield StoredImage(
                path=Path(file.name),
                etag=reply["ETag"].strip('"'),
                mm_per_px=_mm_per_px(uri, reply["Metadata"]),
                group=reply["Metadata"].get("group"),
            )

    def describe(self, uri: str) -> ImageFacts:
        """The photo's facts, without its bytes. Raises what `fetch` raises."""
        bucket, key = self._location(uri)
        with s3_errors(ImageMissing, uri=uri):
            reply = self._s3.head_object(Bucket=bucket, Key=key)
        self._refuse_too_large(uri, reply["ContentLength"])
        return ImageFacts(
            etag=reply["ETag"].strip('"'),
            mm_per_px=_mm_per_px(uri, reply["Metadata"]),
            group=reply["Metadata"].get("group"),
        )

    def _location(self, uri: str) -> tuple[str, str]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not key:
            raise ImageRefused("The image is not referenced as s3://bucket/key.", uri=uri.partition("?")[0])
        if bucket not in self._allowed_buckets:
            raise ImageRefused(
                "The image lies outside the allowed buckets.",
                cure="Add the bucket to PHENOLOOP_STORAGE__EXTRA_IMAGE_BUCKETS if it is yours.",
                uri=uri,
            )
        return bucket, key

    def _refuse_too_large(self, uri: str, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise ImageRefused("The image is too large.", uri=uri, bytes=size_bytes, max_bytes=self._max_bytes)


def _mm_per_px(uri: str, metadata: Mapping[str, str]) -> float | None:
    text = metadata.get("mm-per-px")
    if text is None:
        return None
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        cure = "Set the object's metadata mm-per-px to a number above 0, or remove it."
        raise ImageRefused("The image's scale is no number above 0.", cure=cure, uri=uri, mm_per_px=text)
    return scale
