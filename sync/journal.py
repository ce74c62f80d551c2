"""The journal: one small immutable object for each version of an annotation that sync has seen.

The key carries the version, so an event delivered twice, late or out of order writes the same object once.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, WriteConflict
from sync.annotations import StoredAnnotation, annotation_id
from sync.events import ObjectEvent

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Journal:
    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, prefix

    def record_saved(self, stored: StoredAnnotation) -> bool:
        """Write what was saved; whether it was news. Raises StorageUnavailable."""
        annotation = stored.annotation
        return self._write_once(
            f"saved/{annotation.id}/{stored.etag}.json",
            {
                "annotation_id": annotation.id,
                "task_id": annotation.task.id,
                "project_id": annotation.project,
                "etag": stored.etag,
                "skipped": annotation.was_cancelled,
                "region_origins": annotation.region_origins,
                "saved_at": annotation.updated_at.isoformat(),
            },
        )

    def record_removed(self, event: ObjectEvent) -> bool:
        """Write that an annotation's object is gone; whether it was news. Raises TaskInvalid, StorageUnavailable."""
        number = annotation_id(event.key)
        return self._write_once(f"removed/{number}/{event.version}.json", {"annotation_id": number})

    def _write_once(self, name: str, entry: dict[str, Any]) -> bool:
        key = self._prefix + name
        body = json.dumps(entry | {"seen_at": datetime.now(UTC).isoformat()}).encode()
        try:
            with s3_errors(BucketMissing, key=key):
                self._s3.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
                )
        except WriteConflict:
            return False
        return True
