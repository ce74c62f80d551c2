"""What Label Studio tells of a project's S3 storages. Read in the source of 1.23.2, `io_storages`."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Storage = Mapping[str, Any]
LONGEST_QUEUED = timedelta(minutes=15)
FINAL_SLASH = "Remove its prefix's final slash in Label Studio: Settings, Cloud Storage. Label Studio adds one itself."
"""The cure for a target storage that only a slash keeps from writing to our prefix."""


def is_at_work(storage: Storage) -> bool:
    """Whether a sync of it waits or is under way, so that no other may be asked for.

    On Postgres Label Studio would answer 200 and do nothing; on SQLite two syncs at once make two tasks of one photo
    (`StorageInfo.info_set_queued`).
    """
    return storage["status"] == "in_progress" or (storage["status"] == "queued" and not is_stuck(storage))


def is_stuck(storage: Storage) -> bool:
    """Whether a sync of it was queued so long ago that nobody may ever begin it: Label Studio was killed just then.

    Any other end it finds itself: whenever storages are listed it marks those failed whose sync was silent for 25 s or
    has lost its job (`StorageInfo.health_check`).
    """
    if storage["status"] != "queued":
        return False
    queued_at = datetime.fromisoformat(storage["meta"]["time_queued"])
    return datetime.now(UTC) - queued_at > LONGEST_QUEUED


def writes_to(storage: Storage, bucket: str, prefix: str) -> bool:
    """Whether a target storage writes annotations to `prefix`ID, `prefix` ending in a slash.

    Label Studio itself puts one between: of a prefix that ends in a slash it makes `annotations//5`.
    """
    return (storage["bucket"], storage["prefix"] or "") == (bucket, prefix.rstrip("/"))


def same_prefix(one: str | None, other: str | None) -> bool:
    """But for slashes at the ends."""
    return (one or "").strip("/") == (other or "").strip("/")
