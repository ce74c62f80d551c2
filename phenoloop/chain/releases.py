"""Releases on S3: immutable objects, and one pointer that says which is live, and for which projects another one."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

__all__ = ["Canary", "LiveRelease", "Pointer", "Release", "ReleaseStore", "StageEndpoint", "release_name"]

Model = TypeVar("Model", bound=BaseModel)

FIRST_LOAD_S = 5.0
MAX_BYTES = 1024 * 1024
"""Of one object: what is cut off there is none of ours."""


class Canary(Frozen):
    """A release that a few projects get before all others do."""

    release: str
    projects: tuple[int, ...]
    since: datetime


class Pointer(Frozen):
    """`live.json`."""

    release: str
    previous: str | None
    moved_at: datetime
    canary: Canary | None = None

    def release_of(self, project: int | None) -> str:
        """What this Label Studio project is served; None asks for what all others are."""
        return self.canary.release if self.canary and project in self.canary.projects else self.release


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
            keys = [item["Key"].removeprefix(self._prefix) for page in pages for item in page.get("Contents", [])]
        names = [key.removesuffix(".json") for key in keys if key.endswith(".json") and "/" not in key]
        return {release.name: release for release in self._readable(names)}

    def live(self) -> Release:
        """The release that the pointer names. Raises ReleaseMissing, StorageUnavailable."""
        return self.get(self.pointer().release)

    def pointer(self) -> Pointer:
        """Raises ReleaseMissing if nothing was ever released, StorageUnavailable."""
        return self._read_pointer()[0]

    def move_pointer(self, release_name: str) -> Pointer:
        """Make a published release the live one, for all projects. The one that is live already stays so.

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

    def start_canary(self, release_name: str, projects: Sequence[int]) -> Pointer:
        """Serve these projects a published release; the others keep the live one. Again changes nothing.

        Raises ReleaseMissing if it is not published or none is live, WriteConflict, StorageUnavailable.
        """
        self.get(release_name)
        current, etag = self._read_pointer()
        if current.canary and (current.canary.release, current.canary.projects) == (release_name, tuple(projects)):
            return current
        canary = Canary(release=release_name, projects=tuple(projects), since=datetime.now(UTC))
        return self._stored_pointer(current.model_copy(update={"canary": canary}), IfMatch=etag)

    def withdraw_canary(self, release_name: str) -> Pointer:
        """All projects get the live one again, unless the canary is another by now.

        Raises ReleaseMissing if nothing is live, WriteConflict, StorageUnavailable.
        """
        current, etag = self._read_pointer()
        if current.canary is None or current.canary.release != release_name:
            return current
        return self._stored_pointer(current.model_copy(update={"canary": None}), IfMatch=etag)

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
        return self._stored_pointer(
            Pointer(release=release, previous=previous, moved_at=datetime.now(UTC)), **condition
        )

    def _stored_pointer(self, pointer: Pointer, **condition: str) -> Pointer:
        text = pointer.model_dump_json(exclude_defaults=True)  # without a canary it is what older processes read, too
        self._write("live", text, **condition)
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


@dataclass(frozen=True, slots=True)
class _Served:
    """A pointer with the releases that it names: taken as one thing, so that nobody sees half of a switch."""

    pointer: Pointer
    releases: Mapping[str, Release]

    def to(self, project: int | None) -> Release:
        return self.releases[self.pointer.release_of(project)]


class LiveRelease:
    """The release that is live now, for each project, kept current by a background thread: asking costs nothing.

    A refresh that fails is logged and tried again; the last known release stays. `with` or `stop()` ends the thread.
    """

    def __init__(self, store: ReleaseStore, refresh_s: float) -> None:
        self._store = store
        self._refresh_s = refresh_s
        self._served: _Served | None = None
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
        if self._served is None:
            self._tried.wait(FIRST_LOAD_S)

    def current(self, project: int | None = None) -> Release:
        """Of this Label Studio project, from memory. If it is not followed yet, one caller at a time asks S3 and the
        others are told so at once.

        Raises ReleaseMissing, StorageUnavailable (both only while none is known).
        """
        served = self._served
        if served is not None:
            return served.to(project)
        if self._thread is not None:
            raise ReleaseMissing("No release is known yet.", cure=self._problem or "Try again in a moment.")
        if not self._loading.acquire(blocking=False):
            raise ReleaseMissing("The live release is being loaded.", cure="Try again in a moment.")
        try:
            self._served = served = self._looked()
        finally:
            self._loading.release()
        self.follow()
        return served.to(project)

    def known(self) -> Release | None:
        return self._served.to(None) if self._served else None

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
        before, self._served = self._served, self._looked()
        was, now = before.pointer if before else None, self._served.pointer
        if was is None or (was.release, was.canary) != (now.release, now.canary):
            facts = {"previous": was.release if was else None, "canary": now.canary and now.canary.release}
            structlog.get_logger().info("live release changed", release=now.release, **facts)

    def _looked(self) -> _Served:
        """What the pointer names now; a release that is known already is not read again."""
        pointer, known = self._store.pointer(), self._served.releases if self._served else {}
        self._seen_at_s = time.monotonic()
        names = {pointer.release, *([pointer.canary.release] if pointer.canary else [])}
        return _Served(pointer, {name: known.get(name) or self._store.get(name) for name in names})


def _parsed(model: type[Model], text: bytes, name: str) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise ReleaseMissing("The release object can't be read.", cure="Publish it again.", release=name) from error
