"""Reading annotation objects for a snapshot: each becomes an index entry and, if it is usable, a photo's line."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

import structlog

from phenoloop.chain.images import ImageFacts, ImageStore
from phenoloop.errors import ImageMissing, ImageRefused, TaskInvalid
from sync.annotations import Annotation, StoredObject, read_object
from sync.index import Entry, State
from sync.photo_lines import photo_line
from sync.threads import ahead, shared

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Lines:
    """Lines by annotation key, in a temporary file: the masks of a large first snapshot fit no memory.

    One thread at a time puts; any may take what is there.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="phenoloop-lines-", buffering=0)  # noqa: SIM115  # closed with this
        self._places: dict[str, int] = {}
        self._end = 0

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __setitem__(self, key: str, text: bytes) -> None:
        self._file.write(_LENGTH.pack(len(text)) + text)
        self._places[key] = self._end
        self._end += _LENGTH.size + len(text)

    def __getitem__(self, key: str) -> bytes:
        file, place = self._file.fileno(), self._places[key]
        (length,) = _LENGTH.unpack(os.pread(file, _LENGTH.size, place))
        return os.pread(file, length, place + _LENGTH.size)

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


_LENGTH = struct.Struct("Q")
READERS = 128
"""Objects asked for at once, and as many photos: a store may be 15 ms away."""
ROUND, ROUND_BYTES = 512, 1 << 22
"""Annotations that are read, then decoded: so many, or so many bytes, which take ten times as much when decoded."""


class Reader:
    """In rounds: requests side by side, then what they brought is decoded one after the other, since masks are large.

    Meanwhile the next round's objects come. The threads that read do no more than that: waiting for each other's turn
    to compute would cost more than the store takes to answer.
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
        with ThreadPoolExecutor(2 * READERS, thread_name_prefix="readers") as pool:
            for some in ahead(self._rounds(iter(keys), pool)):
                drafts = [_draft(key, stored, known.get(key)) for key, stored in some]
                photos = {draft.photo for draft in drafts if draft.annotation}
                facts = dict(shared(self._described, iter(photos), pool, threads=READERS))
                for draft in drafts:
                    yield draft.key, _finished(draft, facts.get(draft.photo), lines)

    def _rounds(self, keys: Iterator[str], pool: Executor) -> Iterator[list[tuple[str, StoredObject | None]]]:
        while some := shared(self._object, keys, pool, threads=READERS, most=ROUND, size=_share_of_round):
            yield some

    def _object(self, key: str) -> tuple[str, StoredObject | None]:
        return key, read_object(self._s3, self._bucket, key)

    def _described(self, photo: str) -> tuple[str, _Facts]:
        """The error of one photo is no other's."""
        try:
            return photo, self._images.describe(photo)
        except (ImageMissing, ImageRefused) as error:
            return photo, error


_Facts: TypeAlias = ImageFacts | ImageMissing | ImageRefused


def _share_of_round(found: tuple[str, StoredObject | None]) -> float:
    stored = found[1]
    return max(1, ROUND * len(stored.body) / ROUND_BYTES) if stored else 1


@dataclass(frozen=True, slots=True)
class _Draft:
    """What an object says by itself."""

    key: str
    entry: Entry | None
    annotation: Annotation | None = None
    """Of an entry that may be usable if its photo is."""
    photo: str = ""


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
        return _Draft(key, entry, annotation, annotation.task.photo)
    except TaskInvalid as error:
        return _Draft(key, _left_out(key, _entry(stored, None), State.UNREADABLE, error))


def _finished(draft: _Draft, facts: _Facts | None, lines: Lines) -> Entry | None:
    if draft.entry is None or draft.annotation is None or facts is None:
        return draft.entry
    if isinstance(facts, ImageMissing):
        return _left_out(draft.key, draft.entry, State.PHOTO_MISSING, facts, photo=draft.photo)
    if isinstance(facts, ImageRefused):
        return _left_out(draft.key, draft.entry, State.PHOTO_REFUSED, facts, photo=draft.photo)
    try:
        line = photo_line(draft.annotation, facts)
    except TaskInvalid as error:
        return _left_out(draft.key, draft.entry, State.UNREADABLE, error, photo=draft.photo)
    lines[draft.key] = line.text
    return replace(draft.entry, photo=draft.photo, split=line.split, regions=line.regions, labels=line.labels)


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


def _left_out(
    key: str, entry: Entry, state: State, error: TaskInvalid | ImageMissing | ImageRefused, *, photo: str = ""
) -> Entry:
    structlog.get_logger().warning("annotation left out", key=key, state=state.value, reason=str(error))
    return replace(entry, state=state, reason=error.message, photo=photo)
