"""A latest snapshot that knows all annotations of the bucket, written without reading any."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.bucket.loop import STORAGE
from benchmarks.bucket.server import FIRST, SAVED
from sync.index import Entry, Index, State
from sync.snapshot import READING, Snapshot
from sync.snapshot_files import SnapshotFiles

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def known_snapshot(s3: S3Client, count: int) -> Snapshot:
    """Made the latest. Its index says of each annotation what tells the bucket's version from others."""
    files = SnapshotFiles(s3, STORAGE.bucket, STORAGE.snapshots_prefix)
    shard = files.write_shard(gzip.compress(b'{"photo":"s3://loop/images/another.jpg"}\n', mtime=0))
    snapshot = Snapshot(
        name="snapshot-simulated",
        created_at=datetime.now(UTC),
        labels=("tomato",),
        photos={"train": count, "validation": 0, "test": 0},
        regions=4 * count,
        left_out={},
        shards={f"{number:02x}": shard for number in range(256)},
        index=files.write_index(Index({f"{STORAGE.annotations_prefix}{n}": _entry(n) for n in _numbers(count)})),
        url=files.url("snapshot-simulated"),
    )
    files.write_snapshot(snapshot)
    files.move_pointer(snapshot, reading=READING, etag=None)
    return snapshot


def _numbers(count: int) -> range:
    return range(FIRST, FIRST + count)


def _entry(number: int) -> Entry:
    return Entry(
        f"{number:032x}",
        f"{number:064x}",
        State.USABLE,
        project_id=1,
        task_id=number,
        updated_at=_SAVED_AT,
        photo=f"s3://{STORAGE.bucket}/images/{number}.jpg",
        regions=4,
        labels=("tomato",),
    )


_SAVED_AT = datetime.fromisoformat(SAVED)
