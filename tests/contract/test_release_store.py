from collections.abc import Callable
from typing import Any

import pytest

from phenoloop.chain.releases import LiveRelease, ReleaseStore
from phenoloop.errors import ReleaseMissing, WriteConflict
from tests.unit.fake_models import release


@pytest.fixture
def store(s3: Any, bucket: str) -> ReleaseStore:
    """Releases 1 to 3 published, none live."""
    store = ReleaseStore(s3, bucket, "releases/")
    for number in (1, 2, 3):
        store.publish(release(f"release-{number}"))
    return store


class Interrupted:
    """An S3 client in which something happens right before each write: the other mover, as S3 sees it."""

    def __init__(self, s3: Any, before_write: Callable[[], object]) -> None:
        self._s3, self._before_write = s3, before_write

    def put_object(self, **request: Any) -> Any:
        self._before_write()
        return self._s3.put_object(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)


def test_a_published_release_comes_back_as_it_was(store: ReleaseStore) -> None:
    assert store.get("release-2") == release("release-2")


def test_every_published_release_is_found_and_a_garbled_one_hides_no_other(
    s3: Any, bucket: str, store: ReleaseStore
) -> None:
    store.move_pointer("release-1")
    s3.put_object(Bucket=bucket, Key="releases/release-4.json", Body=b"{")

    assert store.published() == {name: release(name) for name in ("release-1", "release-2", "release-3")}


def test_publishing_the_same_release_again_changes_nothing(store: ReleaseStore) -> None:
    store.publish(release("release-2"))

    assert store.get("release-2") == release("release-2")


def test_a_published_release_cannot_be_changed(store: ReleaseStore) -> None:
    with pytest.raises(WriteConflict):
        store.publish(release("release-2", score_threshold=0.9))

    assert store.get("release-2") == release("release-2")


def test_a_release_never_published_is_missing(store: ReleaseStore) -> None:
    with pytest.raises(ReleaseMissing):
        store.get("release-9")
    with pytest.raises(ReleaseMissing):
        store.live()


def test_an_object_that_is_no_release_is_missing(s3: Any, bucket: str, store: ReleaseStore) -> None:
    s3.put_object(Bucket=bucket, Key="releases/rubbish.json", Body=b"{}")

    with pytest.raises(ReleaseMissing):
        store.get("rubbish")


def test_the_pointer_names_the_live_release_and_the_one_before(store: ReleaseStore) -> None:
    store.move_pointer("release-1")
    store.move_pointer("release-2")

    assert store.live() == release("release-2")
    assert (store.pointer().release, store.pointer().previous) == ("release-2", "release-1")


def test_rollback_moves_the_pointer_to_the_one_before(store: ReleaseStore) -> None:
    store.move_pointer("release-1")
    store.move_pointer("release-2")
    previous = store.pointer().previous
    assert previous is not None

    store.move_pointer(previous)

    assert store.live().name == "release-1"


def test_moving_to_what_is_live_already_changes_nothing(store: ReleaseStore) -> None:
    store.move_pointer("release-1")
    before = store.move_pointer("release-2")

    assert store.move_pointer("release-2") == before == store.pointer()


def test_the_pointer_never_names_what_is_not_published(store: ReleaseStore) -> None:
    store.move_pointer("release-1")

    with pytest.raises(ReleaseMissing):
        store.move_pointer("release-9")
    assert store.live().name == "release-1"


@pytest.mark.parametrize("first", [None, "release-1"])
def test_of_two_movers_the_later_writer_gets_a_conflict(
    s3: Any, bucket: str, store: ReleaseStore, first: str | None
) -> None:
    if first is not None:
        store.move_pointer(first)
    overtaken = ReleaseStore(Interrupted(s3, lambda: store.move_pointer("release-2")), bucket, "releases/")

    with pytest.raises(WriteConflict):
        overtaken.move_pointer("release-3")

    assert (store.pointer().release, store.pointer().previous) == ("release-2", first)
    assert store.move_pointer("release-3").previous == "release-2"  # trying again works


def test_the_live_release_follows_the_store(store: ReleaseStore) -> None:
    store.move_pointer("release-1")

    with LiveRelease(store, refresh_s=0.02) as live:
        assert live.current().name == "release-1"
