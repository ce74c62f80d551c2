"""Reading annotation objects for a snapshot: each becomes an index entry and, if it is usable, a photo's line."""

from __future__ import annotations

import os
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
    """Lines by annotation key, in a temporary file: the masks of a large first snapshot fit no memory.

    One thread at a time puts; any may take what is there.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="phenoloop-lines-", buffering=0)  # noqa: SIM115  # closed with this
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __setitem__(self, key: str, text: bytes) -> None:
        self._file.write(text)
        self._places[key] = self._end, len(text)
        self._end += len(text)

    def __getitem__(self, key: str) -> bytes:
        place, length = self._places[key]
        return os.pread(self._file.fileno(), length, place)

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


READERS = 128
"""Requests at once, of a store that may be 15 ms away."""
ROUND, ROUND_BYTES = 1024, 1 << 23
"""Annotations that are read, then decoded: so many, or so many bytes, which take ten times as much when decoded."""


class Reader:
    """In rounds: requests side by side, then what they brought is decoded one after the other, since masks are large.

    Not both at once: threads that wait for each other's turn to compute cost more than the store takes to answer.
    """

    def __init__(self, s3: S3Client, bucket: str, images: ImageStore) -> None:
        self._s3, self._bucket, self._images = s3, bucket, images

    def read(
        self, keys: Iterable[str], lines: Lines, *, known: Mapping[str, Entry] | None = None
    ) -> Iterator[tuple[str, Entry | None]]:
        """Each key with its entry, None if the object is gone; lines of usable ones are put into `lines`.

        What `known` has with the same content keeps its entry, and no line is made. Each photo of a round is asked
        about once. Raises AnnotationMissing (may not be read), StorageUnavailable.
        """
        known = known or {}
        objects = in_threads(lambda key: (key, read_object(self._s3, self._bucket, key)), keys, threads=READERS)
        for some in _rounds(objects):
            drafts = [_draft(key, stored, known.get(key)) for key, stored in some]
            photos = dict.fromkeys(draft.entry.photo for draft in drafts if draft.entry and draft.annotation)
            facts = dict(zip(photos, in_threads(self._described, photos, threads=READERS), strict=True))
            for draft in drafts:
                yield draft.key, _finished(draft, facts, lines)

    def _described(self, photo: str) -> ImageFacts | ImageMissing | ImageRefused:
        """The error of one photo is no other's."""
        try:
            return self._images.describe(photo)
        except (ImageMissing, ImageRefused) as error:
            return error


def _rounds(objects: Iterable[tuple[str, StoredObject | None]]) -> Iterator[list[tuple[str, StoredObject | None]]]:
    some, size = [], 0
    for key, stored in objects:
        some.append((key, stored))
        size += len(stored.body) if stored else 0
        if len(some) >= ROUND or size >= ROUND_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


@dataclass(frozen=True, slots=True)
class _Draft:
    """What an object says by itself."""

    key: str
    entry: Entry | None
    annotation: Annotation | None = None
    """Of an entry that may be usable if its photo is."""


def _draft(key: str, stored: StoredObject | None, before: Entry | None) -> _Draft:
    if stored is None:
        return _Draft(key, None)
    try:
        annotation = stored.annotation()
        entry = _entry(stored, annotation)
        if before is not None and before.content_hash == entry.content_hash and not before.state.may_heal:
            return _Draft(key, replace(before, etag=entry.etag, updated_at=entry.updated_at))
        if annotation.was_cancelled:
            return _Draft(key, replace(entry, state=State.SKIPPED))
        return _Draft(key, replace(entry, photo=annotation.task.photo), annotation)
    except TaskInvalid as error:
        return _Draft(key, _left_out(key, _entry(stored, None), State.UNREADABLE, error))


def _finished(
    draft: _Draft, facts: Mapping[str, ImageFacts | ImageMissing | ImageRefused], lines: Lines
) -> Entry | None:
    if draft.entry is None or draft.annotation is None:
        return draft.entry
    found = facts[draft.entry.photo]
    if isinstance(found, ImageMissing):
        return _left_out(draft.key, draft.entry, State.PHOTO_MISSING, found)
    if isinstance(found, ImageRefused):
        return _left_out(draft.key, draft.entry, State.PHOTO_REFUSED, found)
    return _usable(draft.key, draft.entry, draft.annotation, found, lines)


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
