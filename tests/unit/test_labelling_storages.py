"""What a storage says of itself, in the words of Label Studio 1.23.2."""

from datetime import UTC, datetime, timedelta

import pytest

from phenoloop.labelling.storages import is_at_work, is_stuck, writes_to


@pytest.mark.parametrize(
    ("bucket", "prefix"),
    [("loop", "annotations/"), ("loop", "/annotations"), ("loop", None), ("other", "annotations")],
)
def test_a_target_storage_writes_to_its_prefix_a_slash_and_the_id(bucket: str, prefix: str | None) -> None:
    assert writes_to({"bucket": "loop", "prefix": "annotations"}, "loop", "annotations/")
    assert not writes_to({"bucket": bucket, "prefix": prefix}, "loop", "annotations/")


@pytest.mark.parametrize(
    ("status", "minutes", "said"),
    [
        ("initialized", 0, ""),
        ("queued", 1, "at work"),
        ("queued", 20, "stuck"),
        ("in_progress", 1000, "at work"),
        ("failed", 1, ""),
        ("completed", 1, ""),
        ("completed_with_errors", 1, ""),
    ],
)
def test_a_sync_is_at_work_until_it_ends_or_was_never_begun(status: str, minutes: int, said: str) -> None:
    queued_at = datetime.now(UTC) - timedelta(minutes=minutes)
    storage = {"status": status, "meta": {"time_queued": str(queued_at)}}
    assert (is_at_work(storage), is_stuck(storage)) == (said == "at work", said == "stuck")
