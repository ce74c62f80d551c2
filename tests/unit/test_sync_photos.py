"""Photos that come to the bucket become tasks without anyone pressing Sync."""

from typing import Any, cast

import pytest

from phenoloop.errors import LabelStudioUnavailable
from phenoloop.labelling.client import Project
from sync import photos
from sync.photos import NewPhotos
from tests.unit.fake_s3 import FakeS3

PROJECT = Project(id=3, title="Vegetables", label_config="<View/>", model_version="")


class FakeLabelStudio:
    """One source storage of `images/`, one of another bucket; notes what it was asked to look at."""

    def __init__(self) -> None:
        self.looked: list[int] = []
        self.status = "completed"
        self.is_down = False

    def photo_storages(self, project_id: int) -> list[dict[str, Any]]:
        assert project_id == PROJECT.id
        ours = {"id": 7, "bucket": "phenoloop", "prefix": "images/", "status": self.status}
        return [ours, {"id": 8, "bucket": "of-others", "prefix": "", "status": "initialized"}]

    def sync_photo_storage(self, storage_id: int) -> None:
        if self.is_down:
            raise LabelStudioUnavailable("Label Studio does not answer.")
        self.looked.append(storage_id)


class Around:
    def __init__(self) -> None:
        self.s3, self.label_studio = FakeS3(), FakeLabelStudio()
        self.add("images/1.jpg")
        self.photos = NewPhotos(cast("Any", self.s3), cast("Any", self.label_studio), "phenoloop")

    def add(self, key: str) -> None:
        self.s3.put_object(Bucket="phenoloop", Key=key, Body=b"photo")

    def look(self) -> float:
        return self.photos.look(lambda: [PROJECT])


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Around:
    monkeypatch.setattr(photos, "PAUSE_S", 0.0)
    return Around()


def test_a_restart_looks_once_at_our_buckets_storages(around: Around) -> None:
    around.look()
    around.look()
    assert around.label_studio.looked == [7]


def test_a_new_photo_makes_label_studio_look_again(around: Around) -> None:
    around.look()
    around.add("images/incoming/2.jpg")
    around.look()
    assert around.label_studio.looked == [7, 7]


def test_what_comes_elsewhere_in_the_bucket_is_no_photo(around: Around) -> None:
    around.look()
    around.add("annotations/5")
    around.look()
    assert around.label_studio.looked == [7]


def test_a_storage_that_failed_is_looked_at_again(around: Around) -> None:
    around.look()
    around.label_studio.status = "failed"
    around.look()
    assert around.label_studio.looked == [7, 7]


def test_while_label_studio_is_down_nothing_counts_as_seen(around: Around) -> None:
    around.label_studio.is_down = True
    with pytest.raises(LabelStudioUnavailable):
        around.look()

    around.label_studio.is_down = False
    around.look()

    assert around.label_studio.looked == [7]


def test_photos_that_come_by_the_hundred_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "PAUSE_S", 60.0)
    around = Around()
    assert 0 < around.look() <= 60
    around.add("images/2.jpg")
    assert 0 < around.look() <= 60
    assert around.label_studio.looked == [7]
