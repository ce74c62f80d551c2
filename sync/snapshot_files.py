"""A snapshot's files in S3, and what they hold.

`NAME.json` names the shards, `latest.json` the latest snapshot and its index. Everything but `latest.json` is written
once, under a name that its content gives.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from phenoloop.chain.bodies import at_most
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, SnapshotMissing, WriteConflict
from sync.index import Index, State, decode_index, decode_index_about, encode_index
from sync.split import Split

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


MAX_FILE_BYTES = 1 << 29
"""Of one file, packed. An index of a million annotations takes a fifth of it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Snapshot(_Frozen):
    """`NAME.json`."""

    name: str
    created_at: datetime
    labels: tuple[str, ...]
    photos: dict[Split, int]
    regions: int
    left_out: dict[str, int]
    """Annotations that are not in it, by reason; of the latest snapshot as last counted."""
    shards: dict[str, str]
    """By the first two hex digits of its photos' hashes each shard's SHA-256; empty shards are not there."""
    index: str
    """SHA-256 of what it knew of each annotation object; of the latest snapshot what was last known."""
    url: str = Field(exclude=True)

    @property
    def teaches(self) -> bool:
        """Whether a model could be trained on it."""
        return bool(self.photos["train"] and self.regions)

    @property
    def may_heal(self) -> bool:
        """Whether what it left out can become usable though no annotation changes."""
        return any(self.left_out.get(state.value) for state in State if state.may_heal)


class Pointer(_Frozen):
    """`latest.json`. The same snapshot may get another index: a skipped annotation changes no shard."""

    name: str
    index: str
    left_out: dict[str, int]
    reading: int
    """The way in which annotations were read; see `sync.snapshot.READING`."""
    moved_at: datetime


def snapshot_name(labels: Sequence[str], shards: Mapping[str, str]) -> str:
    """By content alone: the same annotations always make the same name."""
    content = json.dumps({"labels": list(labels), "shards": dict(shards)}, sort_keys=True)
    return f"snapshot-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


class SnapshotFiles:
    """Under `prefix` of one bucket. Reading raises SnapshotMissing (also if a file is garbled) and StorageUnavailable,
    writing BucketMissing and StorageUnavailable.
    """

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, prefix
        self._last_index: tuple[str, Index] | None = None
        self._last_snapshot: Snapshot | None = None

    def pointer(self) -> tuple[Pointer | None, str | None]:
        """With its ETag; None and None if there never was a snapshot."""
        try:
            body, etag = self._read("latest.json")
        except SnapshotMissing as error:
            if error.facts.get("code") == "NoSuchKey":
                return None, None
            raise
        try:
            return Pointer.model_validate_json(body), etag
        except ValidationError as error:
            raise self._garbled("latest.json") from error

    def move_pointer(self, snapshot: Snapshot, *, reading: int, etag: str | None) -> None:
        """From the one with that ETag, None if there was none. Raises WriteConflict if another one is there by now."""
        pointer = Pointer(
            name=snapshot.name,
            index=snapshot.index,
            left_out=snapshot.left_out,
            reading=reading,
            moved_at=datetime.now(UTC),
        )
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        self._write("latest.json", pointer.model_dump_json().encode(), "application/json", **condition)

    def snapshot(self, name: str) -> Snapshot:
        if self._last_snapshot is None or self._last_snapshot.name != name:
            body, _ = self._read(f"{name}.json")
            try:
                self._last_snapshot = Snapshot.model_validate({**from_json(body), "url": self.url(name)})
            except (ValueError, TypeError) as error:
                raise self._garbled(f"{name}.json") from error
        return self._last_snapshot

    def write_snapshot(self, snapshot: Snapshot) -> bool:
        """Whether it is new."""
        body = snapshot.model_dump_json(indent=2).encode()
        return self._write_once(f"{snapshot.name}.json", body, "application/json")

    def url(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}.json"

    def index(self, digest: str) -> Index:
        last = self._last_index
        if last is not None and last[0] == digest:
            return last[1]
        index = self._decoded(digest, decode_index)
        self._last_index = digest, index
        return index

    def index_about(self, digest: str, key: str) -> Index:
        """Of that annotation and of others of its photo only."""
        return self._decoded(digest, lambda body: decode_index_about(body, key))

    def write_index(self, index: Index) -> str:
        """Its SHA-256."""
        digest, body = encode_index(index)
        self._write_once(f"indexes/{digest}.jsonl.gz", body, "application/gzip")
        self._last_index = digest, index
        return digest

    def shard(self, digest: str) -> bytes:
        """Gzip of JSON lines."""
        return self._read(f"shards/{digest}.jsonl.gz")[0]

    def write_shard(self, body: bytes) -> str:
        """Its SHA-256."""
        digest = hashlib.sha256(body).hexdigest()
        self._write_once(f"shards/{digest}.jsonl.gz", body, "application/gzip")
        return digest

    def _decoded(self, digest: str, decode: Callable[[bytes], Index]) -> Index:
        name = f"indexes/{digest}.jsonl.gz"
        body, _ = self._read(name)
        try:
            return decode(body)
        except ValueError as error:
            raise self._garbled(name) from error

    def _read(self, name: str) -> tuple[bytes, str]:
        with s3_errors(SnapshotMissing, key=self._prefix + name):
            reply = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + name)
            body, etag = at_most(reply["Body"], MAX_FILE_BYTES), reply["ETag"]
        if len(body) > MAX_FILE_BYTES:
            raise self._garbled(name)
        return body, etag

    def _write_once(self, name: str, body: bytes, content_type: str) -> bool:
        """Whether it is new; what is there already is the same."""
        try:
            self._write(name, body, content_type, IfNoneMatch="*")
        except WriteConflict:
            return False
        return True

    def _write(self, name: str, body: bytes, content_type: str, **condition: str) -> None:
        with s3_errors(BucketMissing, key=self._prefix + name):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._prefix + name,
                Body=body,
                ContentType=content_type,
                **condition,  # type: ignore[arg-type]  # IfMatch or IfNoneMatch
            )

    def _garbled(self, name: str) -> SnapshotMissing:
        cure = "Restore it; without latest.json the next snapshot is made from scratch."
        return SnapshotMissing("A snapshot's file can't be read.", cure=cure, key=self._prefix + name)
