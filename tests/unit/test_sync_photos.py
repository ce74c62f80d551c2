"""Photos that come to the bucket become tasks without anyone pressing Sync."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from phenoloop.errors import LabelStudioUnavailable
from phenoloop.labelling.client import Project
from sync import photos
from sync.photos import NewPhotos
from tests.unit.fake_s3 import FakeS3
from tests.unit.source_storages import SourceStorage

PROJECT, OTHER = (Project(id=number, title="Vegetables", label_config="<View/>", model_version="") for number in (3, 4))


class FakeLabelStudio:
    """Source storages by project, and in each project one of another bucket."""

    def __init__(self, *storages: SourceStorage) -> None:
        self.storages = {PROJECT.id: list(storages)}
        self.is_down = False
        self.is_deaf = False
        """A request gets no answer in time, nor is it ever read."""

    def photo_storages(self, project_id: int) -> list[dict[str, Any]]:
        others = {"id": 99, "bucket": "of-others", "prefix": "", "status": "initialized"}
        return [*(storage.shown() for storage in self.storages[project_id]), others]

    def sync_photo_storage(self, storage_id: int) -> dict[str, Any] | None:
        if self.is_down:
            raise LabelStudioUnavailable("Label Studio does not answer.")
        (storage,) = (one for all_ in self.storages.values() for one in all_ if one.number == storage_id)
        return None if self.is_deaf else storage.sync()


class ListedS3(FakeS3):
    """Tells when it is listed."""

    when_listed: Callable[[], None] = staticmethod(lambda: None)

    def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
        yield from super().paginate(**asked)
        self.when_listed()


class Around:
    def __init__(self, *, postgres: bool = True) -> None:
        self.s3 = ListedS3()
        self.storage = SourceStorage(self.s3, postgres=postgres)
        self.label_studio = FakeLabelStudio(self.storage)
        self.add("images/1.jpg")
        self.photos = NewPhotos(cast("Any", self.s3), cast("Any", self.label_studio), "phenoloop")

    def add(self, key: str) -> None:
        self.s3.put_object(Bucket="phenoloop", Key=key, Body=b"photo")

    def look(self) -> float:
        projects = {project.id: project for project in (PROJECT, OTHER)}
        return self.photos.look(lambda: [projects[number] for number in self.label_studio.storages])


@pytest.fixture(params=[True, False], ids=["postgres", "sqlite"])
def around(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Around:
    monkeypatch.setattr(photos, "PAUSE_S", 0.0)
    return Around(postgres=request.param)


def test_a_restart_looks_once_at_our_buckets_storages(around: Around) -> None:
    around.look()
    around.look()
    assert around.storage.posts == 1


def test_a_new_photo_makes_label_studio_look_again(around: Around) -> None:
    around.look()
    around.add("images/incoming/2.jpg")
    around.look()
    assert around.storage.tasks == ["images/1.jpg", "images/incoming/2.jpg"]


@pytest.mark.parametrize("key", ["annotations/5", "images-of-others/1.jpg"])
def test_what_comes_elsewhere_in_the_bucket_is_no_photo(around: Around, key: str) -> None:
    around.storage.prefix = "images"
    around.look()
    around.add(key)
    around.look()
    assert around.storage.posts == 1


def test_while_label_studio_is_at_it_it_is_not_asked_again(around: Around) -> None:
    around.storage.takes_long = True
    for _ in range(3):
        around.look()
    assert around.storage.posts == 1
    around.storage.end()
    around.look()
    assert (around.storage.posts, around.storage.tasks) == (1, ["images/1.jpg"])


def test_a_photo_that_comes_while_label_studio_is_at_it_becomes_a_task(around: Around) -> None:
    around.storage.takes_long = True
    around.look()
    around.add("images/2.jpg")
    around.look()
    around.storage.end()
    around.look()
    around.storage.end()
    around.look()
    assert (around.storage.posts, around.storage.tasks) == (2, ["images/1.jpg", "images/2.jpg"])


def test_what_someone_else_had_synced_before_a_photo_came_does_not_count_for_it(around: Around) -> None:
    around.storage.begin()
    around.add("images/2.jpg")
    around.look()
    assert around.storage.posts == 0
    around.storage.end()
    around.look()
    assert around.storage.tasks == ["images/1.jpg", "images/2.jpg"]


def test_a_sync_that_someone_else_asks_for_while_the_bucket_is_listed_is_waited_for(around: Around) -> None:
    around.s3.when_listed = around.storage.begin
    around.look()
    assert around.storage.posts == 0


def test_a_request_that_label_studio_never_read_is_sent_again(around: Around) -> None:
    around.look()
    around.add("images/2.jpg")
    around.label_studio.is_deaf = True
    around.look()
    around.label_studio.is_deaf = False
    around.look()
    assert around.storage.tasks == ["images/1.jpg", "images/2.jpg"]


def test_a_sync_that_failed_is_told_of_and_asked_for_again(around: Around) -> None:
    around.storage.takes_long = True
    around.look()
    around.storage.die()
    around.storage.takes_long = False

    with pytest.raises(LabelStudioUnavailable, match="did not end well"):
        around.look()

    assert around.storage.tasks == ["images/1.jpg"]
    around.look()
    assert around.storage.posts == 2


def test_a_sync_that_waits_for_a_worker_is_waited_for(around: Around) -> None:
    around.storage.queue(ago=timedelta(minutes=10))
    around.look()
    assert around.storage.posts == 0


def test_a_sync_that_nobody_ever_began_is_told_of_and_asked_for_again(around: Around) -> None:
    around.storage.queue(ago=timedelta(minutes=20))
    with pytest.raises(LabelStudioUnavailable, match="do its workers run"):
        around.look()
    assert around.storage.posts == 1


def test_a_prefix_without_photos_is_not_asked_for(around: Around) -> None:
    around.storage.prefix = "images/2025/"
    around.look()
    assert around.storage.posts == 0


def test_while_label_studio_is_down_nothing_counts_as_seen(around: Around) -> None:
    around.label_studio.is_down = True
    with pytest.raises(LabelStudioUnavailable):
        around.look()

    around.label_studio.is_down = False
    around.look()

    assert around.storage.tasks == ["images/1.jpg"]


def test_one_project_is_in_no_others_way(around: Around) -> None:
    around.storage.may_be_listed = False
    beside, later = (SourceStorage(around.s3, number=number) for number in (8, 9))
    around.label_studio.storages = {PROJECT.id: [around.storage, beside], OTHER.id: [later]}

    with pytest.raises(LabelStudioUnavailable, match="Label Studio failed"):
        around.look()

    assert [beside.tasks, later.tasks] == [["images/1.jpg"], ["images/1.jpg"]]


def test_photos_that_come_by_the_hundred_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "PAUSE_S", 60.0)
    around = Around()
    assert 0 < around.look() <= 60
    around.add("images/2.jpg")
    assert 0 < around.look() <= 60
    assert around.storage.posts == 1


def test_what_failed_is_told_of_until_it_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "PAUSE_S", 60.0)
    around = Around()
    around.storage.status = "failed"
    for _ in range(2):
        with pytest.raises(LabelStudioUnavailable):
            around.look()
    assert around.storage.posts == 1
