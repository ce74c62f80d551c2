"""New photos become tasks: Label Studio is asked to look at a source storage that holds others than it saw last.

Label Studio makes a task of each photo that has none, and tells the backend of the new tasks, which predicts them.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import structlog

from phenoloop.chain.s3_errors import listed, s3_errors
from phenoloop.errors import BucketMissing
from phenoloop.labelling.client import LabelStudio, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from types_boto3_s3 import S3Client

PAUSE_S = 10.0
"""Between two looks that Label Studio takes: photos often come by the hundred, and it lists all of them each time."""


class NewPhotos:
    """Of one bucket. What Label Studio saw last is known from memory: after a restart it looks once at everything."""

    def __init__(self, s3: S3Client, label_studio: LabelStudio, bucket: str) -> None:
        self._s3, self._label_studio, self._bucket = s3, label_studio, bucket
        self._seen: dict[int, str] = {}
        """Storage -> what was in it."""
        self._rested_s = 0.0

    def look(self, projects: Callable[[], Iterable[Project]]) -> float:
        """Have Label Studio make the tasks; how long to rest before the next look, 0 if it need not be soon.

        Raises LabelStudioUnavailable, LabelStudioRefused, BucketMissing, StorageUnavailable.
        """
        if (rest_s := self._rested_s - time.monotonic()) > 0:
            return rest_s
        for project in projects():
            for storage in self._label_studio.photo_storages(project.id):
                if storage["bucket"] == self._bucket:
                    self._make_tasks(project, storage)
        return max(self._rested_s - time.monotonic(), 0.0)

    def _make_tasks(self, project: Project, storage: dict[str, Any]) -> None:
        number, there = int(storage["id"]), self._fingerprint(str(storage["prefix"] or ""))
        if self._seen.get(number) == there and storage["status"] != "failed":
            return
        self._label_studio.sync_photo_storage(number)
        self._seen[number] = there
        self._rested_s = time.monotonic() + PAUSE_S
        structlog.get_logger().info("Label Studio looked for new photos", project=project.id, storage=number)

    def _fingerprint(self, prefix: str) -> str:
        """Of the keys under the prefix."""
        digest = hashlib.sha256()
        with s3_errors(BucketMissing, prefix=prefix):
            for item in listed(self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)):
                digest.update(item["Key"].encode() + b"\0")
        return digest.hexdigest()
