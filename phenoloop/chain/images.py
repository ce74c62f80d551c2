"""Photos on S3, read with our own credentials."""

from __future__ import annotations

import math
import posixpath
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from phenoloop.chain.bodies import chunks
from phenoloop.chain.photo_cache import PhotoCache
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.deadlines import time_limit
from phenoloop.errors import ImageMissing, ImageRefused, StorageUnavailable
from phenoloop.retries import retried
from phenoloop.settings import ChainSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


ATTEMPTS = 3


def photo_client(settings: ChainSettings) -> S3Client:
    """A client for `ImageStore`, which does its own retries: a body may break off after the client was done."""
    config = Config(
        connect_timeout=5,
        read_timeout=min(15.0, settings.image_timeout_s),  # of any silence
        max_pool_connections=64,
        retries={"total_max_attempts": 1},
    )
    return boto3.client("s3", config=config)


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

    def __init__(
        self,
        s3_client: S3Client,
        allowed_buckets: Collection[str],
        max_bytes: int,
        *,
        timeout_s: float = 60.0,
        cache: PhotoCache | None = None,
    ) -> None:
        """`timeout_s` is for one photo, with all attempts.

        S3 is asked each time; what is in the cache and did not change it does not send.
        """
        self._s3 = s3_client
        self._allowed_buckets = frozenset(allowed_buckets)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._cache = cache

    @contextmanager
    def fetch(self, uri: str) -> Iterator[StoredImage]:
        """The whole photo in a file without a name, which is gone after the `with` block, and when this process is
        killed.

        Raises ImageRefused (another bucket, no S3 URI, too large, a scale that is none), ImageMissing,
        StorageUnavailable, TimeOver (the caller's time limit).
        """
        bucket, key = self._location(uri)
        with ExitStack() as kept:
            with self._patiently(uri):
                for attempt in retried(ATTEMPTS):
                    with attempt:
                        facts, file = self._fetched(uri, bucket, key, kept)
            yield StoredImage(Path(f"/dev/fd/{file.fileno()}"), facts.etag, facts.mm_per_px, facts.group)

    def describe(self, uri: str) -> ImageFacts:
        """The photo's facts, without its bytes. Raises what `fetch` raises."""
        bucket, key = self._location(uri)
        with self._patiently(uri):
            for attempt in retried(ATTEMPTS):
                with attempt, s3_errors(ImageMissing, uri=uri):
                    return self._facts(uri, self._s3.head_object(Bucket=bucket, Key=key))
        raise AssertionError("unreachable: the last attempt raises")

    def _patiently(self, uri: str) -> AbstractContextManager[None]:
        return time_limit(
            self._timeout_s, otherwise=lambda: StorageUnavailable("The photo took too long to come.", uri=uri)
        )

    def _fetched(self, uri: str, bucket: str, key: str, until: ExitStack) -> tuple[ImageFacts, IO[bytes]]:
        """From the cache, if that is what S3 has still, or from S3. Open `until` then."""
        if self._cache and (etag := self._cache.etag(uri)):
            with s3_errors(ImageMissing, uri=uri):
                head = self._s3.head_object(Bucket=bucket, Key=key)
            facts = self._facts(uri, head)
            if facts.etag == etag and (kept := self._cache.opened(uri, etag, head["ContentLength"])):
                return facts, until.enter_context(kept)
        file: IO[bytes] = until.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # it is
        facts = self._copied(uri, bucket, key, file)
        if self._cache:
            self._cache.keep(uri, facts.etag, file)
        return facts, file

    def _copied(self, uri: str, bucket: str, key: str, file: IO[bytes]) -> ImageFacts:
        with s3_errors(ImageMissing, uri=uri):
            reply = self._s3.get_object(Bucket=bucket, Key=key)
            facts = self._facts(uri, reply)
            for chunk in chunks(reply["Body"]):
                file.write(chunk)
                self._refuse_too_large(uri, file.tell())
        file.flush()
        return facts

    def _facts(self, uri: str, reply: Mapping[str, Any]) -> ImageFacts:
        self._refuse_too_large(uri, reply.get("ContentLength", 0))
        return ImageFacts(
            etag=reply["ETag"].strip('"'),
            mm_per_px=_mm_per_px(uri, reply["Metadata"]),
            group=reply["Metadata"].get("group"),
        )

    def _location(self, uri: str) -> tuple[str, str]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not key or posixpath.normpath(key).split("/")[0] == "..":
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
