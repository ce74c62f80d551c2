"""Source storages as Label Studio 1.23.2 keeps them: `io_storages/base_models.py` and `io_storages/s3/models.py`."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from phenoloop.errors import LabelStudioUnavailable
from tests.unit.fake_s3 import FakeS3


class SourceStorage:
    """Of one bucket. On SQLite nothing keeps two scans from running at once (`info_set_queued`)."""

    def __init__(self, s3: FakeS3, number: int = 7, prefix: str = "images/", *, postgres: bool = True) -> None:
        self._s3, self.number, self.prefix, self._postgres = s3, number, prefix, postgres
        self.status, self.queued_at = "initialized", datetime.now(UTC)
        self.may_be_listed = True
        self.takes_long = False
        self.posts = 0
        self.tasks: list[str] = []
        self._last_sync: str | None = None
        self._scans: list[list[str]] = []
        self._clock = itertools.count(1)

    def shown(self) -> dict[str, Any]:
        meta = {"time_queued": str(self.queued_at)}
        more = {"status": self.status, "last_sync": self._last_sync, "meta": meta}
        return {"id": self.number, "bucket": "phenoloop", "prefix": self.prefix, **more}

    def sync(self) -> dict[str, Any] | None:
        """`ImportStorageSyncAPI.post`, then `ImportStorage.sync` without queues; None if it takes too long."""
        self.posts += 1
        is_there = not self.prefix or any(key.startswith(self.prefix) for key in self._s3.objects)
        if not (is_there and self.may_be_listed):  # validate_connection
            raise LabelStudioUnavailable("Label Studio failed.", status=500)
        if self._postgres and self.status in {"queued", "in_progress"}:
            return self.shown()
        self.begin()
        if self.takes_long:
            return None
        self.end()
        return self.shown()

    def begin(self) -> None:
        """`_update_queued_status`, and the listing of `_scan_and_create_links`."""
        self.status, self._last_sync, self.queued_at = "in_progress", None, datetime.now(UTC)
        below = self.prefix.rstrip("/") + "/"
        self._scans.append([k for k in self._s3.objects if k.startswith(below) and k not in self.tasks])

    def end(self) -> None:
        """`info_set_completed`."""
        self.tasks += self._scans.pop(0)
        self.status, self._last_sync = "completed", f"2026-11-22T10:{next(self._clock):02}:00Z"

    def die(self) -> None:
        """`health_check`, 25 s later."""
        self._scans.clear()
        self.status = "failed"

    def queue(self, *, ago: timedelta) -> None:
        self.status, self._last_sync, self.queued_at = "queued", None, datetime.now(UTC) - ago
