"""Snapshots: immutable data sets made of the annotations in S3, at a cost that follows what changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from phenoloop.chain.images import ImageStore
from phenoloop.errors import SnapshotMissing, WriteConflict
from sync.annotations import StoredObject, read_object
from sync.catalogue import Catalogue
from sync.garbage import rare_collections
from sync.index import Index
from sync.reading import Lines, Reader
from sync.shards import by_shard, rewritten
from sync.snapshot_files import Pointer, Snapshot, SnapshotFiles, snapshot_name
from sync.split import SPLITS
from sync.threads import in_threads

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["Snapshot", "SnapshotStore"]

ATTEMPTS = 5
"""Of building a snapshot while others build too."""
WRITERS = 8
"""Shards at once: each is in memory, packed and unpacked."""
READING = 2
"""Another number, for another way of reading annotations, makes the next build read all of them anew."""


class SnapshotStore:
    """Snapshots under `prefix` of one bucket. Reads much at once: the client should be a `sync.quick_s3.quick` one."""

    def __init__(
        self,
        s3: S3Client,
        bucket: str,
        prefix: str = "snapshots/",
        annotations_prefix: str = "annotations/",
        *,
        images: ImageStore,
    ) -> None:
        self._s3, self._bucket, self._annotations_prefix = s3, bucket, annotations_prefix
        self._files = SnapshotFiles(s3, bucket, prefix)
        self._reader = Reader(s3, bucket, images)

    def latest(self) -> Snapshot | None:
        """None if there never was one. Raises SnapshotMissing (its files are gone or garbled), StorageUnavailable."""
        pointer, _ = self._files.pointer()
        return self._pointed(pointer) if pointer else None

    def get(self, name: str) -> Snapshot:
        """Raises SnapshotMissing (also if it can't be read as a snapshot), StorageUnavailable."""
        return self._files.snapshot(name)

    def index(self, snapshot: Snapshot | None) -> Index:
        """What the snapshot knows of each annotation object; of none nothing.

        Raises SnapshotMissing, StorageUnavailable.
        """
        return self.index_of(snapshot.index) if snapshot else Index()

    def index_of(self, digest: str) -> Index:
        """The index of that SHA-256. Raises SnapshotMissing, StorageUnavailable."""
        return self._files.index(digest)

    def index_about(self, digest: str, annotation: int) -> Index:
        """What the index of that SHA-256 knows of one annotation, and of others of its photo; empty if nothing.

        Raises SnapshotMissing, StorageUnavailable.
        """
        return self._files.index_about(digest, self._key(annotation))

    def annotation(self, number: int) -> StoredObject | None:
        """Its object as it is now, None if it is gone.

        Raises AnnotationMissing (may not be read), StorageUnavailable.
        """
        return read_object(self._s3, self._bucket, self._key(number))

    def build(self, catalogue: Catalogue) -> Snapshot:
        """The snapshot of what is in S3, which is then the latest; if nothing changed, the latest as it is.

        Reads only objects whose ETag is not the latest index's. Of two builders at once the later one starts over from
        what the other made. Raises AnnotationMissing (may not be read), SnapshotMissing (the latest one's files are
        gone or garbled), BucketMissing, StorageUnavailable, WriteConflict (others built again and again).
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._build(catalogue)
            except WriteConflict:
                structlog.get_logger().info("another builder was first", attempt=attempt)
                if attempt == ATTEMPTS:
                    raise
                catalogue = Catalogue.listed(self._s3, self._bucket, self._annotations_prefix, before=catalogue)
        raise AssertionError("unreachable")

    def _build(self, catalogue: Catalogue) -> Snapshot:
        pointer, etag = self._files.pointer()
        latest = self._pointed(pointer) if pointer and pointer.reading == READING else None
        before = self.index(latest)
        with Lines() as lines, rare_collections():
            index = self._indexed(before, catalogue, lines)
            if latest is not None and index == before:
                return latest
            shards = self._shards(latest.shards if latest else {}, before, index, lines)
        snapshot = self._written(index, shards)
        self._files.move_pointer(snapshot, reading=READING, etag=etag)
        return snapshot

    def _key(self, annotation: int) -> str:
        return f"{self._annotations_prefix}{annotation}"

    def _pointed(self, pointer: Pointer) -> Snapshot:
        """As last counted: the same snapshot may have been made long ago, when other annotations were left out."""
        update = {"left_out": pointer.left_out, "index": pointer.index}
        return self._files.snapshot(pointer.name).model_copy(update=update)

    def _indexed(self, before: Index, catalogue: Catalogue, lines: Lines) -> Index:
        """The index of what is there now; every photo whose line changes has its new one in `lines`."""
        entries = {key: before.entries[key] for key in catalogue.objects if key in before.entries}
        keys = [key for key, found in catalogue.objects.items() if not before.holds(key, found.etag)]
        known = before.entries
        while True:
            for key, entry in self._reader.read(keys, lines, known=known):
                if entry is None:
                    entries.pop(key, None)
                else:
                    entries[key] = entry
            index = Index(entries)
            differing = [key for photo, key in index.winners.items() if not index.shows_as(before, photo)]
            keys = [key for key in differing if key not in lines]
            if not keys:
                return index
            known = {}  # one that counts again, since another was deleted, is read for its line, known or not

    def _shards(self, shards: Mapping[str, str], before: Index, index: Index, lines: Lines) -> dict[str, str]:
        """The hashes of all shards; those that change are written."""
        hashes = dict(shards)
        photos = index.winners.keys() | before.winners.keys()
        touched = by_shard(photo for photo in photos if not index.shows_as(before, photo))
        digests = in_threads(
            lambda shard: self._rewritten(shards.get(shard), touched[shard], index, lines), touched, threads=WRITERS
        )
        for shard, digest in zip(touched, digests, strict=True):
            hashes.pop(shard, None)
            if digest is not None:
                hashes[shard] = digest
        return dict(sorted(hashes.items()))

    def _rewritten(self, digest: str | None, touched: list[str], index: Index, lines: Lines) -> str | None:
        """The hash of the shard without what its touched photos were and with what they are; None if it is empty."""
        before = self._files.shard(digest) if digest else None
        fresh = [photo for photo in touched if photo in index.winners]
        try:
            body = rewritten(before, frozenset(touched), fresh, lambda photo: lines[index.winners[photo]])
        except ValueError as error:
            raise SnapshotMissing("A shard can't be read.", cure="Restore it.", shard=digest) from error
        return self._files.write_shard(body) if body else None

    def _written(self, index: Index, shards: dict[str, str]) -> Snapshot:
        counting = [index.entries[key] for key in index.winners.values()]
        labels = sorted({label for entry in counting for label in entry.labels})
        name = snapshot_name(labels, shards)
        snapshot = Snapshot(
            name=name,
            created_at=datetime.now(UTC),
            labels=tuple(labels),
            photos={split: sum(entry.split == split for entry in counting) for split in SPLITS},
            regions=sum(entry.regions for entry in counting),
            left_out=index.left_out,
            shards=shards,
            index=self._files.write_index(index),
            url=self._files.url(name),
        )
        if self._files.write_snapshot(snapshot):
            structlog.get_logger().info("snapshot made", snapshot=name, photos=len(counting), left_out=index.left_out)
            return snapshot
        made = self._files.snapshot(name)  # long ago, or by another builder just now
        return snapshot.model_copy(update={"created_at": made.created_at})
