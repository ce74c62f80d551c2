"""From annotation objects in S3 to immutable data sets, at a cost that follows the change."""

from collections.abc import Callable
from typing import Any

import pytest

from phenoloop.errors import AnnotationMissing, SnapshotMissing, StorageUnavailable
from sync.snapshot import Snapshot, SnapshotStore
from tests.unit.annotation_objects import Annotated, Counting, annotation_ids, box, lines


@pytest.fixture
def annotated(s3: Any, bucket: str) -> Annotated:
    return Annotated(s3, bucket)


def test_a_box_becomes_a_region_in_pixels_of_the_photo(annotated: Annotated) -> None:
    photo = annotated.photo("a.jpg", **{"mm-per-px": "0.25", "group": "plant-3"})
    annotated.save(7, photo)

    snapshot = annotated.build()
    (line,) = lines(annotated, snapshot)

    etag = annotated.s3.head_object(Bucket=annotated.bucket, Key="images/a.jpg")["ETag"].strip('"')
    assert line["etag"] == etag
    assert (line["photo"], line["width_px"], line["height_px"]) == (photo, 200, 100)
    assert (line["mm_per_px"], line["group"], line["split"]) == (0.25, "plant-3", "validation")
    assert (line["project_id"], line["task_id"], line["annotation_id"]) == (1, 7, 7)
    assert line["regions"] == [
        {
            "id": "r1",
            "label": "carrot",
            "kind": "rectangle",
            "box_px": [20, 20, 80, 60],
            "mask": None,
            "origin_px": [0, 0],
        }
    ]
    assert (snapshot.labels, snapshot.regions, sum(snapshot.photos.values())) == (("carrot",), 1, 1)


def test_an_annotation_of_a_missing_photo_is_left_out_until_the_photo_is_there(annotated: Annotated) -> None:
    annotated.save(1, f"s3://{annotated.bucket}/images/late.jpg")
    missing = annotated.build()
    assert (lines(annotated, missing), missing.left_out["photo_missing"]) == ([], 1)

    annotated.photo("late.jpg")
    snapshot = annotated.build()

    assert (annotation_ids(annotated, snapshot), snapshot.left_out["photo_missing"]) == ({1}, 0)


def test_without_any_annotation_the_snapshot_is_empty(annotated: Annotated) -> None:
    assert annotated.store.latest() is None

    snapshot = annotated.build()

    assert (lines(annotated, snapshot), snapshot.labels, sum(snapshot.photos.values())) == ([], (), 0)


# What it costs


def counted(annotated: Annotated) -> Counting:
    """A build by another worker, which knows nothing but what is in S3, and what it asked S3 for."""
    s3 = Counting(annotated.s3)
    annotated.store_with(s3).build(annotated.catalogue())
    return s3


def test_a_snapshot_after_one_change_reads_one_annotation_and_writes_one_shard(annotated: Annotated) -> None:
    for id_ in range(1, 31):
        annotated.save(id_)
    annotated.build()
    annotated.save(17, result=[box("leek")])

    requests = counted(annotated).requests

    assert {what: count for what, count in requests.items() if not what.startswith("get_object s")} == {
        "get_object annotations": 1,
        "head_object images": 1,
        "get_object pointer": 1,
        "get_object indexes": 1,
        "put_object shards": 1,
        "put_object indexes": 1,
        "put_object snapshot": 1,
        "put_object pointer": 1,
    }
    assert requests["get_object shards"] == 1


def test_without_a_change_nothing_is_read_or_written_but_the_latest_snapshot(annotated: Annotated) -> None:
    for id_ in range(1, 6):
        annotated.save(id_)
    first = annotated.build()

    requests = counted(annotated).requests

    assert set(requests) == {"get_object pointer", "get_object snapshot", "get_object indexes"}
    assert annotated.build() == first == annotated.store.latest()


def test_annotations_that_were_only_written_again_make_no_new_snapshot_and_are_read_once(annotated: Annotated) -> None:
    for id_ in range(1, 4):
        annotated.save(id_)
    first = annotated.build()
    for id_ in range(1, 4):
        annotated.save(id_, task={"id": id_, "data": task_data(annotated, id_), "total_annotations": 2})

    again = counted(annotated).requests

    assert annotated.store.latest() == first.model_copy(update={"index": annotated.build().index})
    assert (again["get_object annotations"], again["put_object shards"], again["head_object images"]) == (3, 0, 0)
    assert counted(annotated).requests["get_object annotations"] == 0


def task_data(annotated: Annotated, id_: int) -> dict[str, str]:
    return {"image": f"s3://{annotated.bucket}/images/{id_}.jpg"}


# Names and builders


def test_the_same_annotations_make_the_same_snapshot_by_any_way(s3: Any, annotated: Annotated, bucket: str) -> None:
    for id_ in range(1, 9):
        annotated.save(id_)
        annotated.build()
    annotated.delete(3)
    step_by_step = annotated.build()

    at_once = SnapshotStore(s3, bucket, "elsewhere/", images=annotated.images()).build(annotated.catalogue())

    assert (at_once.name, at_once.shards, at_once.photos) == (
        step_by_step.name,
        step_by_step.shards,
        step_by_step.photos,
    )
    assert at_once.left_out == step_by_step.left_out


class Overtaken:
    """An S3 client in which another builder acts right before the pointer is written."""

    def __init__(self, s3: Any, other: Callable[[], object]) -> None:
        self._s3, self._other = s3, other

    def put_object(self, **request: Any) -> Any:
        if request["Key"].endswith("latest.json"):
            self._other()
        return self._s3.put_object(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)


@pytest.mark.parametrize("has_latest", [True, False])
def test_two_builders_at_once_end_with_the_same_snapshot(s3: Any, annotated: Annotated, *, has_latest: bool) -> None:
    annotated.save(1)
    if has_latest:
        annotated.build()
    annotated.save(2)
    others: list[Snapshot] = []

    def other_builder() -> None:
        if not others:
            annotated.save(3)
            others.append(annotated.build())

    overtaken = annotated.store_with(Overtaken(s3, other_builder)).build(annotated.catalogue())

    assert overtaken == others[0] == annotated.store.latest()
    assert annotation_ids(annotated, overtaken) == {1, 2, 3}


def test_a_snapshot_stays_as_it_was(annotated: Annotated) -> None:
    annotated.save(1)
    first = annotated.build()
    before = lines(annotated, first)
    annotated.save(1, result=[box("leek")])

    assert annotated.build().name != first.name
    assert annotated.store.get(first.name) == first
    assert lines(annotated, first) == before


def test_a_snapshot_that_was_never_made_is_missing(annotated: Annotated) -> None:
    with pytest.raises(SnapshotMissing):
        annotated.store.get("snapshot-0")


def test_a_build_that_fails_leaves_the_latest_snapshot(s3: Any, annotated: Annotated) -> None:
    annotated.save(1)
    first = annotated.build()
    annotated.save(2)

    class Broken(Overtaken):
        def put_object(self, **request: Any) -> Any:
            raise StorageUnavailable("S3 is down.")

    with pytest.raises(StorageUnavailable):
        annotated.store_with(Broken(s3, lambda: None)).build(annotated.catalogue())

    assert annotated.store.latest() == first


def test_an_annotation_that_may_not_be_read_is_an_error_and_not_left_out(s3: Any, annotated: Annotated) -> None:
    annotated.save(1)

    class Forbidding(Counting):
        def get_object(self, **request: Any) -> Any:
            if request["Key"].startswith("annotations/"):
                raise s3.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
            return s3.get_object(**request)

    with pytest.raises(AnnotationMissing):
        annotated.store_with(Forbidding(s3)).build(annotated.catalogue())
