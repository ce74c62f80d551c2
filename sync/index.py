"""What a snapshot knows of each annotation object: enough to see, without reading it again, whether it changed."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from pydantic import AwareDatetime, TypeAdapter
from pydantic_core import to_json

from phenoloop.errors import TaskInvalid
from sync.annotations import annotation_id
from sync.gzipped import lines, text
from sync.split import Split


class State(Enum):
    """What an annotation object is worth to a snapshot."""

    USABLE = "usable"
    SKIPPED = "skipped"
    UNREADABLE = "unreadable"
    PHOTO_MISSING = "photo_missing"
    PHOTO_REFUSED = "photo_refused"

    @property
    def may_heal(self) -> bool:
        """Whether it can become usable though its object stays as it is."""
        return self in {State.PHOTO_MISSING, State.PHOTO_REFUSED}


@dataclass(frozen=True, slots=True)
class Entry:
    """One annotation object."""

    etag: str
    content_hash: str
    state: State
    reason: str = ""
    """Why it is not usable."""
    project_id: int | None = None
    task_id: int | None = None
    updated_at: AwareDatetime | None = None
    ground_truth: bool = False
    photo: str = ""
    """`s3://` URI."""
    split: Split = "train"
    regions: int = 0
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    """All entries by key."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    @cached_property
    def winners(self) -> dict[str, str]:
        """Of each photo the key of the annotation that counts: ground truth, then the latest, then the highest id."""
        best: dict[str, str] = {}
        for key, entry in self.entries.items():
            if entry.state is State.USABLE:
                other = best.get(entry.photo)
                if other is None or self._rank(key) > self._rank(other):
                    best[entry.photo] = key
        return best

    @property
    def left_out(self) -> dict[str, int]:
        """How many annotations are not in the snapshot, by reason."""
        states = Counter(entry.state for entry in self.entries.values())
        superseded = states.pop(State.USABLE, 0) - len(self.winners)
        counts = {state.value: states[state] for state in State if state is not State.USABLE}
        return counts | {"superseded": superseded}

    def holds(self, key: str, etag: str) -> bool:
        """Whether the object of that version needs no reading."""
        entry = self.entries.get(key)
        return entry is not None and entry.etag == etag and not entry.state.may_heal

    def shows_as(self, other: Index, photo: str) -> bool:
        """Whether both have the same to say of the photo."""
        mine, theirs = self.winners.get(photo), other.winners.get(photo)
        if mine is None or mine != theirs:
            return mine == theirs
        return self.entries[mine].content_hash == other.entries[mine].content_hash

    def _rank(self, key: str) -> tuple[bool, float, int]:
        entry = self.entries[key]
        updated_s = entry.updated_at.timestamp() if entry.updated_at else 0.0
        return entry.ground_truth, updated_s, annotation_id(key)


def encode_index(index: Index) -> tuple[str, bytes]:
    """Gzip of JSON lines `[key, entry]` sorted by key, and the SHA-256 of the lines."""
    packed, digest = io.BytesIO(), hashlib.sha256()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as file:
        for key in sorted(index.entries):
            line = _LINE.dump_json((key, index.entries[key]), exclude_defaults=True) + b"\n"
            digest.update(line)
            file.write(line)
    return digest.hexdigest(), packed.getvalue()


def decode_index(body: bytes) -> Index:
    """Raises ValueError if the body is no index."""
    return _indexed(lines(body))


def decode_index_about(body: bytes, key: str) -> Index:
    """Of that annotation and of others of its photo only: most of a large index need not be decoded.

    Raises ValueError if the body is no index.
    """
    whole = text(body)
    own = _indexed(_lines_with(b"[" + to_json(key) + b",", whole)).entries
    photos = {entry.photo for entry in own.values() if entry.photo}
    others = (line for photo in photos for line in _lines_with(b'"photo":' + to_json(photo), whole))
    return Index({**own, **_indexed(others).entries})


def _lines_with(needle: bytes, whole: bytes) -> Iterator[bytes]:
    at = whole.find(needle)
    while at >= 0:
        end = whole.find(b"\n", at)
        yield whole[whole.rfind(b"\n", 0, at) + 1 : end]
        at = whole.find(needle, end)


def _indexed(lines_: Iterable[bytes]) -> Index:
    entries = dict(map(_LINE.validate_json, lines_))
    for key, entry in entries.items():
        if entry.state is State.USABLE:
            _require_annotation(key)
    return Index(entries)


def _require_annotation(key: str) -> None:
    try:
        annotation_id(key)
    except TaskInvalid as error:
        raise ValueError("an entry of no annotation") from error


_LINE: TypeAdapter[tuple[str, Entry]] = TypeAdapter(tuple[str, Entry])
