"""Releases on S3: immutable objects, and one pointer that says which is live."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from phenoloop.chain.bodies import at_most
from phenoloop.chain.release import Frozen, Release, StageEndpoint, release_name
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, PhenoloopError, ReleaseMissing, StorageUnavailable, WriteConflict

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["LiveRelease", "Pointer", "Release", "ReleaseStore", "StageEndpoint", "release_name"]

Model = TypeVar("Model", bound=BaseModel)

FIRST_LOAD_S = 5.0
MAX_BYTES = 1024 * 1024
"""Of one object: what is cut off there is none of ours."""


class Pointer(Frozen):
    """`live.json`."""

    release: str
    previous: str | None
    moved_at: datetime


class ReleaseStore:
    """Releases under `prefix` of one bucket; the pointer moves by conditional write only."""

    def __init__(self, s3_client: S3Client, bucket: str, prefix: str = "releases/") -> None:
        self._s3 = s3_client
        self._bucket = bucket
        self._prefix = prefix

    def publish(self, release: Release) -> None:
        """Store the release for good. The same one again changes nothing.

        Raises WriteConflict if another one of this name is there, StorageUnavailable.
        """
        try:
            self._write(release.name, release.model_dump_json(indent=2), IfNoneMatch="*")
        except WriteConflict:
            known = self.get(release.name)
            if known != release.model_copy(update={"package_arn": known.package_arn}):
                raise

    def get(self, name: str) -> Release:
        """Raises ReleaseMissing (also if it can't be read as a release), StorageUnavailable."""
        release = _parsed(Release, self._read(name)[0], name)
        if release.name != name:
            raise ReleaseMissing("The release object is another release's.", release=name, holds=release.name)
        return release

    def published(self) -> dict[str, Release]:
        """Every release by name; what can't be read as one is passed over. Raises BucketMissing, StorageUnavailable."""
        with s3_errors(BucketMissing, prefix=self._prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        names = [key.removeprefix(self._prefix).removesuffix(".json") for key in keys if key.endswith(".json")]
        return {release.name: release for release in self._readable(names)}

    def live(self) -> Release:
        """The release that the pointer names. Raises ReleaseMissing, StorageUnavailable."""
        return self.get(self.pointer().release)

    def pointer(self) -> Pointer:
        """Raises ReleaseMissing if nothing was ever released, StorageUnavailable."""
        return self._read_pointer()[0]

    def move_pointer(self, release_name: str) -> Pointer:
        """Make a published release the live one. The one that is live already stays so.

        Raises ReleaseMissing if it is not published, WriteConflict if someone else moved the pointer meanwhile,
        StorageUnavailable.
        """
        self.get(release_name)
        try:
            current, etag = self._read_pointer()
        except ReleaseMissing:
            return self._write_pointer(release_name, None, IfNoneMatch="*")
        if current.release == release_name:
            return current
        return self._write_pointer(release_name, current.release, IfMatch=etag)

    def _readable(self, names: Iterable[str]) -> Iterator[Release]:
        for name in names:
            if name != "live":
                try:
                    yield self.get(name)
                except ReleaseMissing as error:  # one that is garbled hides no other
                    structlog.get_logger().warning("release passed over", release=name, error=str(error))

    def _read_pointer(self) -> tuple[Pointer, str]:
        text, etag = self._read("live")
        return _parsed(Pointer, text, "live"), etag

    def _write_pointer(self, release: str, previous: str | None, **condition: str) -> Pointer:
        pointer = Pointer(release=release, previous=previous, moved_at=datetime.now(UTC))
        self._write("live", pointer.model_dump_json(), **condition)
        return pointer

    def _read(self, name: str) -> tuple[bytes, str]:
        with s3_errors(ReleaseMissing, release=name):
            reply = self._s3.get_object(Bucket=self._bucket, Key=self._key(name))
            return at_most(reply["Body"], MAX_BYTES), reply["ETag"]

    def _write(self, name: str, text: str, **condition: str) -> None:
        with s3_errors(StorageUnavailable, release=name):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._key(name),
                Body=text.encode(),
                ContentType="application/json",
                **condition,  # type: ignore[arg-type]  # IfMatch or IfNoneMatch
            )

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}.json"


class LiveRelease:
    """The release that is live now, kept current by a background thread: asking costs nothing.

    A refresh that fails is logged and tried again; the last known release stays. `with` or `stop()` ends the thread.
    """

    def __init__(self, store: ReleaseStore, refresh_s: float) -> None:
        self._store = store
        self._refresh_s = refresh_s
        self._release: Release | None = None
        self._problem = ""
        self._seen_at_s = -math.inf
        self._loading = threading.Lock()
        self._thread: threading.Thread | None = None
        self._tried = threading.Event()
        self._stopped = threading.Event()

    def follow(self) -> None:
        """Keep it current from here on, also if none is known yet: no caller of `current` ever waits for S3 then.

        Waits a moment for the first one.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_current, name="live-release", daemon=True)
            self._thread.start()
        if self._release is None:
            self._tried.wait(FIRST_LOAD_S)

    def current(self) -> Release:
        """From memory. If it is not followed yet, one caller at a time asks S3 and the others are told so at once.

        Raises ReleaseMissing, StorageUnavailable (both only while none is known).
        """
        release = self.known()
        if release is not None:
            return release
        if self._thread is not None:
            raise ReleaseMissing("No release is known yet.", cure=self._problem or "Try again in a moment.")
        if not self._loading.acquire(blocking=False):
            raise ReleaseMissing("The live release is being loaded.", cure="Try again in a moment.")
        try:
            release = self._store.live()
            self._seen_at_s = time.monotonic()
            self._release = release
        finally:
            self._loading.release()
        self.follow()
        return release

    def known(self) -> Release | None:
        return self._release

    @property
    def silent_s(self) -> float:
        """For so long S3 has not told which one is live; infinite if it never did."""
        return time.monotonic() - self._seen_at_s

    def stop(self) -> None:
        self._stopped.set()

    def __enter__(self) -> LiveRelease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _keep_current(self) -> None:
        log = structlog.get_logger()
        while True:
            try:
                self._follow_pointer()
                self._problem = ""
            except PhenoloopError as error:
                if self._problem != str(error):  # said once, not every few seconds
                    log.warning("live release could not be refreshed", error=str(error))
                self._problem = str(error)
            except Exception:  # a thread that died would leave this process on an old release for good
                log.exception("live release could not be refreshed")
            self._tried.set()
            if self._stopped.wait(self._refresh_s):
                return

    def _follow_pointer(self) -> None:
        name, before = self._store.pointer().release, self._release
        self._seen_at_s = time.monotonic()
        if before is None or before.name != name:
            self._release = self._store.get(name)
            log, previous = structlog.get_logger(), before.name if before else None
            log.info("live release changed", release=name, previous=previous)


def _parsed(model: type[Model], text: bytes, name: str) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise ReleaseMissing("The release object can't be read.", cure="Publish it again.", release=name) from error
