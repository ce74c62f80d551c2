import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from phenoloop.chain.releases import Canary, LiveRelease, Pointer, Release, ReleaseStore, StageEndpoint, release_name
from phenoloop.errors import ReleaseMissing, StorageUnavailable
from tests.unit.fake_models import manifest, release
from tests.unit.fake_s3 import FakeS3

AT = datetime(2025, 1, 1, tzinfo=UTC)
ENDPOINTS = ("detector-a", "segmenter-b")


class Store:
    """Releases in memory, with a pointer that tests move."""

    def __init__(self, *names: str) -> None:
        self.live_name: str | None = names[0] if names else None
        self.canary: Canary | None = None
        self.failing = False
        self.asked_by: list[str] = []

    def pointer(self) -> Pointer:
        self.asked_by.append(threading.current_thread().name)
        if self.failing:
            raise StorageUnavailable("S3 can't be reached.")
        if self.live_name is None:
            raise ReleaseMissing("The object is not in S3 or may not be read.")
        return Pointer(release=self.live_name, previous=None, moved_at=AT, canary=self.canary)

    def get(self, name: str) -> Release:
        return release(name)


@pytest.fixture
def store() -> Store:
    return Store("release-1")


@pytest.fixture
def live(store: Store) -> Iterator[LiveRelease]:
    with LiveRelease(store, refresh_s=0.01) as live:
        yield live


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in 5 s"
        time.sleep(0.002)


def test_the_same_parts_make_the_same_name_whatever_the_manifest_was_called() -> None:
    name = release_name(ENDPOINTS, manifest("").to_dict())

    assert name == release_name(ENDPOINTS, manifest(name).to_dict())
    assert name.startswith("phenoloop-")


@pytest.mark.parametrize("changes", [{"score_threshold": 0.4}, {"crop_margin": 0.3}, {"max_objects": 5}])
def test_a_change_of_any_part_makes_another_name(changes: dict[str, Any]) -> None:
    name = release_name(ENDPOINTS, manifest().to_dict())

    assert release_name(ENDPOINTS, manifest(**changes).to_dict()) != name
    assert release_name((ENDPOINTS[0], "segmenter-c"), manifest().to_dict()) != name
    assert release_name((ENDPOINTS[1], ENDPOINTS[0]), manifest().to_dict()) != name


def test_a_named_release_carries_its_name_in_the_manifest() -> None:
    stage = StageEndpoint(endpoint="e", model_data_url="s3://loop/m.tar.gz")
    made = Release.named(package_arn="arn", detector=stage, segmenter=stage, manifest=manifest().to_dict())

    assert made.name == release_name(("e", "e"), manifest().to_dict()) == made.manifest["release"]


@pytest.mark.parametrize("bad", [manifest("release-2").to_dict(), {"release": "release-1"}, {}])
def test_a_release_with_a_manifest_not_its_own_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Release.model_validate({**release().model_dump(), "manifest": bad})


def test_without_a_release_there_is_no_current_one() -> None:
    store = Store()
    with LiveRelease(store, refresh_s=0.01) as live:
        with pytest.raises(ReleaseMissing):
            live.current()
        store.live_name = "release-1"
        assert live.current().name == "release-1"


def test_only_the_first_question_waits_for_the_store(store: Store, live: LiveRelease) -> None:
    for _ in range(100):
        assert live.current().name == "release-1"

    assert store.asked_by.count(threading.current_thread().name) == 1


def test_nobody_waits_behind_a_first_load_that_hangs() -> None:
    asked, answer = threading.Event(), threading.Event()

    class Slow(Store):
        def get(self, name: str) -> Release:
            asked.set()
            answer.wait(5)
            return super().get(name)

    with LiveRelease(Slow("release-1"), refresh_s=1) as live:
        first = threading.Thread(target=live.current)
        first.start()
        assert asked.wait(5)
        with pytest.raises(ReleaseMissing, match="being loaded"):
            live.current()
        answer.set()
        first.join()
        assert live.current().name == "release-1"


def test_once_followed_nobody_who_asks_waits_for_the_store() -> None:
    store = Store()
    with LiveRelease(store, refresh_s=0.01) as live:
        live.follow()
        with pytest.raises(ReleaseMissing, match="No release is known yet"):
            live.current()
        assert live.known() is None
        assert threading.current_thread().name not in store.asked_by


def test_a_release_that_comes_later_is_found_without_being_asked_for() -> None:
    store = Store()
    with LiveRelease(store, refresh_s=0.01) as live:
        live.follow()
        assert live.silent_s == math.inf
        store.live_name = "release-1"
        wait_until(lambda: live.known() is not None)
        assert live.silent_s < 5


def test_a_moved_pointer_is_followed_in_the_background(store: Store, live: LiveRelease) -> None:
    live.current()
    store.live_name = "release-2"

    wait_until(lambda: live.current().name == "release-2")


def test_a_canary_is_served_to_its_projects_alone(store: Store, live: LiveRelease) -> None:
    live.current()
    store.canary = Canary(release="release-2", projects=(7, 9), since=AT)

    wait_until(lambda: live.current(7).name == "release-2")
    assert [live.current(project).name for project in (9, 8, None)] == ["release-2", "release-1", "release-1"]
    store.canary = None
    wait_until(lambda: live.current(7).name == "release-1")


def test_a_pointer_without_a_canary_is_written_as_older_processes_read_it() -> None:
    s3 = FakeS3()
    store = ReleaseStore(s3, "b")  # type: ignore[arg-type]
    for name in ("release-1", "release-2"):
        store.publish(release(name))
    store.move_pointer("release-1")
    before = json.loads(s3.objects["releases/live.json"])
    store.start_canary("release-2", (7,))
    during = json.loads(s3.objects["releases/live.json"])
    store.withdraw_canary("release-2")

    assert before.keys() == {"release", "previous", "moved_at"}
    assert during == before | {"canary": during["canary"]}
    assert json.loads(s3.objects["releases/live.json"]) == before


def test_only_the_canary_that_is_meant_is_withdrawn() -> None:
    store = ReleaseStore(FakeS3(), "b")  # type: ignore[arg-type]
    for name in ("release-1", "release-2", "release-3"):
        store.publish(release(name))
    store.move_pointer("release-1")
    first = store.start_canary("release-2", (7,))
    assert store.start_canary("release-2", (7,)) == first
    newer = store.start_canary("release-3", (7,))

    assert store.withdraw_canary("release-2") == newer
    assert store.move_pointer("release-3").canary is None


def test_a_store_that_fails_leaves_the_last_release_and_is_asked_again(store: Store, live: LiveRelease) -> None:
    live.current()
    store.failing, store.live_name = True, "release-2"
    asked = len(store.asked_by)
    wait_until(lambda: len(store.asked_by) > asked + 2)

    assert live.current().name == "release-1"
    store.failing = False
    wait_until(lambda: live.current().name == "release-2")


def test_a_stopped_one_asks_no_more(store: Store, live: LiveRelease) -> None:
    live.current()
    live.stop()
    wait_until(lambda: all(thread.name != "live-release" for thread in threading.enumerate()))
    asked = len(store.asked_by)
    time.sleep(0.05)

    assert len(store.asked_by) == asked


def test_an_object_that_holds_another_release_is_none() -> None:
    s3 = FakeS3()
    store = ReleaseStore(s3, "b")  # type: ignore[arg-type]
    s3.put_object(Bucket="b", Key="releases/release-2.json", Body=release("release-1").model_dump_json().encode())

    with pytest.raises(ReleaseMissing, match="another release's"):
        store.get("release-2")
