"""Reading annotation objects for a snapshot: each becomes an index entry and, if it is usable, a photo's line."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

import structlog

from phenoloop.chain.images import ImageFacts, ImageStore
from phenoloop.errors import ImageMissing, ImageRefused, TaskInvalid
from sync.annotations import Annotation, StoredObject, read_object
from sync.index import Entry, State
from sync.photo_lines import photo_line
from sync.threads import in_threads

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Lines:
    """Lines by annotation key, in a temporary file: the masks of a large first snapshot fit no memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="phenoloop-lines-")  # noqa: SIM115  # closed with this object
        self._places: dict[str, tuple[int, int]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __setitem__(self, key: str, text: bytes) -> None:
        place = self._file.seek(0, 2)
        self._file.write(text)
        self._places[key] = place, len(text)

    def __getitem__(self, key: str) -> bytes:
        place, length = self._places[key]
        self._file.seek(place)
        return self._file.read(length)

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Reader:
    """Requests run side by side; what they bring is decoded one after the other, since a photo's masks are large."""

    def __init__(self, s3: S3Client, bucket: str, images: ImageStore) -> None:
        self._s3, self._bucket, self._images = s3, bucket, images

    def read(
        self, keys: Iterable[str], lines: Lines, *, known: Mapping[str, Entry] | None = None
    ) -> Iterator[tuple[str, Entry | None]]:
        """Each key with its entry, None if the object is gone; lines of usable ones are put into `lines`.

        What `known` has with the same content keeps its entry, and no line is made.
        Raises AnnotationMissing (may not be read), StorageUnavailable.
        """
        known = known or {}
        for fetched in in_threads(lambda key: self._fetched(key, known.get(key)), keys):
            if fetched.entry is not None and fetched.facts is not None and fetched.annotation is not None:
                yield fetched.key, _usable(fetched.key, fetched.entry, fetched.annotation, fetched.facts, lines)
            else:
                yield fetched.key, fetched.entry

    def _fetched(self, key: str, before: Entry | None) -> _Fetched:
        stored = read_object(self._s3, self._bucket, key)
        if stored is None:
            return _Fetched(key, None)
        try:
            annotation = stored.annotation()
            entry = _entry(stored, annotation)
            if before is not None and before.content_hash == entry.content_hash and not before.state.may_heal:
                return _Fetched(key, replace(before, etag=entry.etag, updated_at=entry.updated_at))
            if annotation.was_cancelled:
                return _Fetched(key, replace(entry, state=State.SKIPPED))
            entry = replace(entry, photo=annotation.task.photo)
        except TaskInvalid as error:
            return _Fetched(key, _left_out(key, _entry(stored, None), State.UNREADABLE, error))
        try:
            return _Fetched(key, entry, annotation, self._images.describe(entry.photo))
        except ImageMissing as error:
            return _Fetched(key, _left_out(key, entry, State.PHOTO_MISSING, error))
        except ImageRefused as error:
            return _Fetched(key, _left_out(key, entry, State.PHOTO_REFUSED, error))


@dataclass(frozen=True, slots=True)
class _Fetched:
    key: str
    entry: Entry | None
    annotation: Annotation | None = None
    """Of an entry that may be usable, with the facts of its photo."""
    facts: ImageFacts | None = None


def _usable(key: str, entry: Entry, annotation: Annotation, facts: ImageFacts, lines: Lines) -> Entry:
    try:
        line = photo_line(annotation, facts)
    except TaskInvalid as error:
        return _left_out(key, entry, State.UNREADABLE, error)
    lines[key] = line.text
    return replace(entry, split=line.split, regions=line.regions, labels=line.labels)


def _entry(stored: StoredObject, annotation: Annotation | None) -> Entry:
    if annotation is None:
        return Entry(stored.etag, stored.content_hash(), State.UNREADABLE)
    return Entry(
        stored.etag,
        annotation.content_hash,
        State.USABLE,
        project_id=annotation.project,
        task_id=annotation.task.id,
        updated_at=annotation.updated_at,
        ground_truth=annotation.ground_truth,
    )


def _left_out(key: str, entry: Entry, state: State, error: TaskInvalid | ImageMissing | ImageRefused) -> Entry:
    structlog.get_logger().warning("annotation left out", key=key, state=state.value, reason=str(error))
    return replace(entry, state=state, reason=error.message)
