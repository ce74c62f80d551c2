"""What changed among the annotations since a snapshot: what they mean counts, not how often they were written."""

from typing import Any

import pytest

from sync.catalogue import Catalogue, Changes
from sync.index import Index
from tests.unit.annotation_objects import Annotated, Counting, box
from tests.unit.fake_s3 import FakeS3


@pytest.fixture
def annotated() -> Annotated:
    return Annotated(FakeS3(), "loop")


def changes(annotated: Annotated) -> Changes:
    return annotated.catalogue().changes_since(annotated.store.index(annotated.store.latest()))


def test_without_a_snapshot_every_annotation_is_new(annotated: Annotated) -> None:
    annotated.save(1)
    annotated.save(2)

    found = annotated.catalogue().changes_since(Index())

    assert (found.added, len(found)) == ({"annotations/1", "annotations/2"}, 2)


def test_a_snapshot_knows_what_it_was_made_of(annotated: Annotated) -> None:
    annotated.save(1)
    annotated.save(2, was_cancelled=True)
    annotated.put(3, b"rubbish")
    annotated.build()

    assert (changes(annotated), len(changes(annotated))) == (Changes(), 0)


@pytest.mark.parametrize(
    "change",
    [{"result": [box("leek")]}, {"was_cancelled": True}, {"ground_truth": True}],
    ids=lambda change: next(iter(change)),
)
def test_an_annotation_that_means_something_else_is_changed(annotated: Annotated, change: dict[str, Any]) -> None:
    annotated.save(1)
    annotated.save(2)
    annotated.build()

    annotated.save(1, **change)

    assert (changes(annotated).changed, len(changes(annotated))) == ({"annotations/1"}, 1)


def test_another_photo_scale_or_group_is_a_change(annotated: Annotated) -> None:
    photo = annotated.photo("1.jpg")
    annotated.save(1, photo)
    for data in ({"image": annotated.photo("2.jpg")}, {"image": photo, "mm_per_px": 2}, {"image": photo, "group": "a"}):
        annotated.build()
        annotated.save(1, task={"id": 1, "data": data})

        assert changes(annotated).changed == {"annotations/1"}


def test_an_annotation_written_again_with_other_counts_and_times_is_no_change(annotated: Annotated) -> None:
    annotated.save(1, annotated.photo("1.jpg"))
    annotated.build()

    annotated.save(1, annotated.photo("1.jpg"), minute=9, lead_time=12.5)

    assert (changes(annotated).rewritten, len(changes(annotated))) == ({"annotations/1"}, 0)


def test_an_annotation_written_again_with_its_fields_in_another_order_is_no_change(annotated: Annotated) -> None:
    annotated.save(1, annotated.photo("1.jpg"))
    annotated.build()

    annotated.save(1, annotated.photo("1.jpg"), result=[dict(reversed(box().items()))])

    assert (changes(annotated).rewritten, len(changes(annotated))) == ({"annotations/1"}, 0)


def test_a_deleted_annotation_is_removed_and_has_no_time(annotated: Annotated) -> None:
    annotated.save(1)
    annotated.build()

    annotated.delete(1)

    assert changes(annotated) == Changes(removed=frozenset({"annotations/1"}))


def test_the_times_are_of_the_first_and_last_change(annotated: Annotated) -> None:
    for id_ in (1, 2, 3):
        annotated.save(id_)

    catalogue = annotated.catalogue()
    found = catalogue.changes_since(Index())

    times = [listed.last_modified for listed in catalogue.objects.values()]
    assert (found.first_at, found.last_at) == (min(times), max(times))


def test_objects_that_are_not_named_as_annotations_are_not_listed(annotated: Annotated) -> None:
    for name in ("readme.txt", "7.json", "", "٣", "-1"):
        annotated.put(name, b"{}")
    annotated.save(7)
    annotated.put("older/8", b"{}")

    assert set(annotated.catalogue().objects) == {"annotations/7", "annotations/older/8"}


def test_more_annotations_than_one_answer_lists_are_all_there(annotated: Annotated) -> None:
    for id_ in range(1, 11):
        annotated.put(id_, b"{}")

    assert len(annotated.catalogue().objects) == 10


def test_a_listing_that_finds_nothing_else_is_the_catalogue_before(annotated: Annotated) -> None:
    annotated.save(1)
    before = annotated.catalogue()

    def again() -> Catalogue:
        return Catalogue.listed(annotated.s3, annotated.bucket, "annotations/", before=before)

    assert again() is before
    annotated.save(1, minute=9)
    assert again() is not before


def test_what_one_catalogue_read_the_next_one_does_not_read_again(annotated: Annotated) -> None:
    for id_ in (1, 2, 3):
        annotated.save(id_)
    index = annotated.store.index(annotated.build())
    for id_ in (1, 2, 3):
        annotated.save(id_, result=[])
    s3 = Counting(annotated.s3)
    before = Catalogue.listed(s3, annotated.bucket, "annotations/")  # type: ignore[arg-type]
    before.changes_since(index)
    annotated.save(2, result=[box("leek")])
    s3.requests.clear()

    found = Catalogue.listed(s3, annotated.bucket, "annotations/", before=before).changes_since(index)  # type: ignore[arg-type]

    assert (len(found), s3.requests["get_object annotations"]) == (3, 1)
