"""New photos become tasks: Label Studio is asked to look at a source storage that holds others than it saw last.

Label Studio makes a task of each photo that has none, and tells the backend of the new tasks, which predicts them.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from phenoloop.chain.s3_errors import listed, s3_errors
from phenoloop.errors import BucketMissing, LabelStudioUnavailable, PhenoloopError
from phenoloop.labelling.client import LabelStudio, Project
from phenoloop.labelling.storages import Storage, is_at_work, is_stuck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from types_boto3_s3 import S3Client

PAUSE_S = 10.0
"""Between two looks that Label Studio takes: photos often come by the hundred, and it lists all of them each time."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What Label Studio was asked to look at."""

    there: str
    last_sync: str | None
    """When the last sync before this one ended."""


class NewPhotos:
    """Of one bucket. What Label Studio saw last is known from memory: after a restart it looks once at everything."""

    def __init__(self, s3: S3Client, label_studio: LabelStudio, bucket: str) -> None:
        self._s3, self._label_studio, self._bucket = s3, label_studio, bucket
        self._seen: dict[int, str] = {}
        """Storage -> what was in it when Label Studio looked, and came to the end."""
        self._asked: dict[int, _Asked] = {}
        """By storage; whether it has seen it is known when it has done."""
        self._failed: list[PhenoloopError] = []
        """At the last look."""
        self._rested_s = 0.0

    def look(self, projects: Callable[[], Iterable[Project]]) -> float:
        """Have Label Studio make the tasks; how long to rest before the next look, 0 if it need not be soon.

        Raises LabelStudioUnavailable, LabelStudioRefused, BucketMissing, StorageUnavailable: the first of them, when
        all storages were looked at.
        """
        if time.monotonic() >= self._rested_s:
            self._failed = []
            soon = [self._look_at_project(project) for project in projects()]
            if any(soon):
                self._rested_s = time.monotonic() + PAUSE_S
        if self._failed:
            raise self._failed[0]
        return max(self._rested_s - time.monotonic(), 0.0)

    def _look_at_project(self, project: Project) -> bool:
        """Whether it is to be looked at again soon."""
        soon = False
        with self._in_no_others_way():
            for storage in self._label_studio.photo_storages(project.id):
                if storage["bucket"] == self._bucket:
                    with self._in_no_others_way():
                        soon = self._look_at(project, storage) or soon
        return soon

    def _look_at(self, project: Project, storage: Storage) -> bool:
        """Whether it is to be looked at again soon."""
        number = int(storage["id"])
        if is_at_work(storage):
            return True
        self._note_seen(number, storage)
        there = self._fingerprint(str(storage["prefix"] or ""))
        is_well = storage["status"] != "failed" and not is_stuck(storage)
        if there is None or (is_well and self._seen.get(number) == there):
            return False
        self._make_tasks(project, number, there)
        if not is_well:
            cure = "Its reason stands in Label Studio: Settings, Cloud Storage. If it is queued: do its workers run?"
            facts = {"project": project.id, "storage": number, "status": storage["status"]}
            error = LabelStudioUnavailable("The last sync of a source storage did not end well.", cure=cure, **facts)
            self._failed.append(error)
        return True

    def _note_seen(self, number: int, storage: Storage) -> None:
        asked = self._asked.pop(number, None)
        is_done = storage["status"] in {"completed", "completed_with_errors"}
        if asked and is_done and storage["last_sync"] != asked.last_sync:
            self._seen[number] = asked.there

    def _make_tasks(self, project: Project, number: int, there: str) -> None:
        """Unless someone else had it done, or removed it, while the bucket was listed."""
        storages = self._label_studio.photo_storages(project.id)
        now = next((storage for storage in storages if int(storage["id"]) == number), None)
        if now is None or is_at_work(now):
            return
        self._asked[number] = _Asked(there, now["last_sync"])
        self._label_studio.sync_photo_storage(number)
        structlog.get_logger().info("Label Studio looks for new photos", project=project.id, storage=number)

    def _fingerprint(self, prefix: str) -> str | None:
        """Of the keys that Label Studio lists; None if there are none, of which it makes an error."""
        digest, is_empty = hashlib.sha256(), True
        below = f"{prefix.rstrip('/')}/" if prefix else ""
        with s3_errors(BucketMissing, prefix=below):
            for item in listed(self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=below)):
                digest.update(item["Key"].encode() + b"\0")
                is_empty = False
        return None if is_empty else digest.hexdigest()

    @contextmanager
    def _in_no_others_way(self) -> Iterator[None]:
        try:
            yield
        except PhenoloopError as error:
            self._failed.append(error)
