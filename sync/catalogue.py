"""Which annotation objects are in S3 now, and what changed since a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from phenoloop.chain.s3_errors import listed, s3_errors
from phenoloop.errors import AnnotationMissing, BucketMissing
from sync.annotations import read_object
from sync.index import Index
from sync.threads import in_threads

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

GONE = ("404", "NoSuchKey", "NotFound")


class Listed(NamedTuple):
    """One object as the listing tells of it; there may be a million."""

    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys of annotations that mean something else than a snapshot knows."""

    added: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    rewritten: frozenset[str] = frozenset()
    """Other bytes of the same meaning: no change. Building a snapshot notes them, so that they are not read again."""
    first_at: datetime | None = None
    """When the first of the added and changed ones was written; None if there is none. S3 tells no time of removals."""
    last_at: datetime | None = None

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The annotation objects of one moment, by key."""

    s3: S3Client
    bucket: str
    prefix: str
    objects: Mapping[str, Listed]
    read_contents: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False, compare=False)
    """ETag and content hash, by key, of what was read to compare."""

    @classmethod
    def listed(cls, s3: S3Client, bucket: str, prefix: str, *, before: Catalogue | None = None) -> Catalogue:
        """What is there now. Objects whose name is no number are none of Label Studio's and left out.

        Whoever lists again and again gives the catalogue `before`, which spares reading what that one has read; if
        nothing changed, it is the answer.
        Raises BucketMissing, StorageUnavailable.
        """
        objects, known = {}, before.objects if before else {}
        with s3_errors(BucketMissing, bucket=bucket):
            for item in listed(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)):
                name = item["Key"].rpartition("/")[2]
                if name.isascii() and name.isdigit():
                    found = Listed(item["ETag"].strip('"'), item["LastModified"])
                    same = known.get(item["Key"])
                    objects[item["Key"]] = same if same == found else found
        if before and objects == known:
            return before
        read = before.read_contents.items() if before else ()
        return cls(s3, bucket, prefix, objects, {k: r for k, r in read if k in objects and objects[k].etag == r[0]})

    def after(self, key: str) -> Catalogue:
        """With this one object as it is now. Raises AnnotationMissing (may not be read), StorageUnavailable."""
        objects = {**self.objects}
        objects.pop(key, None)
        try:
            with s3_errors(AnnotationMissing, key=key):
                head = self.s3.head_object(Bucket=self.bucket, Key=key)
                objects[key] = Listed(head["ETag"].strip('"'), head["LastModified"])
        except AnnotationMissing as error:
            if error.facts.get("code") not in GONE:
                raise
        return replace(self, objects=objects)

    def changes_since(self, index: Index) -> Changes:
        """Compared with what a snapshot knows; reads only objects whose ETag differs.

        Raises AnnotationMissing, StorageUnavailable.
        """
        known = index.entries
        added = frozenset(self.objects.keys() - known.keys())
        touched = [key for key, found in self.objects.items() if (entry := known.get(key)) and entry.etag != found.etag]
        contents = zip(touched, in_threads(self._content_hash, touched), strict=True)
        changed = frozenset(key for key, content_hash in contents if content_hash != known[key].content_hash)
        times = [self.objects[key].last_modified for key in added | changed]
        return Changes(
            added=added,
            changed=changed,
            removed=frozenset(known.keys() - self.objects.keys()),
            rewritten=frozenset(touched) - changed,
            first_at=min(times, default=None),
            last_at=max(times, default=None),
        )

    def _content_hash(self, key: str) -> str:
        """Of the object as it is now, empty if it is gone."""
        etag, content_hash = self.read_contents.get(key, ("", ""))
        if etag != self.objects[key].etag:
            found = read_object(self.s3, self.bucket, key)
            etag, content_hash = (found.etag, found.content_hash()) if found else ("", "")
            self.read_contents[key] = etag, content_hash
        return content_hash
