"""What a snapshot is made of."""

import gc
from typing import Any

import numpy as np
import pytest

from loc360.wire import mask_from_base64
from phenoloop.labelling.brush import encode_brush
from sync.annotations import MAX_BYTES
from sync.reading import ROUND
from sync.snapshot import READING
from tests.unit.annotation_objects import Annotated, Counting, annotation_ids, box, lines
from tests.unit.fake_s3 import FakeS3


@pytest.fixture
def annotated() -> Annotated:
    return Annotated(FakeS3(), "loop")


# What is in a snapshot


def test_a_brush_mask_is_cut_to_its_content(annotated: Annotated) -> None:
    mask = np.ones((3, 4), np.bool_)
    mask[0, 0] = False
    value = {"format": "rle", "rle": encode_brush(mask, (50, 60), 200, 100), "brushlabels": ["leek"]}
    annotated.save(7, result=[box() | {"type": "brushlabels", "value": value}])

    ((region,),) = [line["regions"] for line in lines(annotated, annotated.build())]

    assert (region["kind"], region["box_px"], region["origin_px"]) == ("brush", [50, 60, 54, 63], [50, 60])
    assert (mask_from_base64(region["mask"]) == mask).all()


def test_a_region_under_another_one_is_left_out_unless_that_one_is_gone(annotated: Annotated) -> None:
    annotated.save(7, result=[box(id_="whole"), box(id_="part", parentID="whole"), box(id_="orphan", parentID="gone")])

    (line,) = lines(annotated, annotated.build())

    assert [region["id"] for region in line["regions"]] == ["whole", "orphan"]


def test_a_mask_of_which_nothing_is_left_is_no_region(annotated: Annotated) -> None:
    value = {
        "format": "rle",
        "rle": encode_brush(np.zeros((1, 1), np.bool_), (0, 0), 200, 100),
        "brushlabels": ["leek"],
    }
    annotated.save(7, result=[box() | {"type": "brushlabels", "value": value}])

    (line,) = lines(annotated, annotated.build())

    assert line["regions"] == []


def test_a_photo_on_which_nothing_was_found_is_in(annotated: Annotated) -> None:
    annotated.save(7, result=[])

    (line,) = lines(annotated, annotated.build())

    assert (line["regions"], line["width_px"], line["height_px"]) == ([], None, None)


def test_what_the_task_says_of_scale_and_group_wins(annotated: Annotated) -> None:
    photo = annotated.photo("a.jpg", **{"mm-per-px": "0.25", "group": "plant-3"})
    annotated.save(7, task={"id": 7, "data": {"picture": photo, "mm_per_px": "0.5", "group": 12}})

    (line,) = lines(annotated, annotated.build())

    assert (line["photo"], line["mm_per_px"], line["group"]) == (photo, 0.5, "12")


def test_a_label_that_is_new_in_the_project_appears(annotated: Annotated) -> None:
    annotated.save(1)
    assert annotated.build().labels == ("carrot",)

    annotated.save(2, result=[box("beet"), box(None, id_="r2")])

    assert annotated.build().labels == ("beet", "carrot")


def test_more_annotations_than_are_read_in_a_round_are_all_in(annotated: Annotated) -> None:
    photo = annotated.photo("a.jpg")
    for id_ in range(1, ROUND + 3):
        annotated.save(id_, photo if id_ > 2 else None)

    snapshot = annotated.build()

    assert annotation_ids(annotated, snapshot) == {1, 2, ROUND + 2}
    assert snapshot.left_out["superseded"] == ROUND - 1


def test_a_photo_of_several_annotations_is_asked_about_once(annotated: Annotated) -> None:
    photo, s3 = annotated.photo("a.jpg"), Counting(annotated.s3)
    for id_ in range(1, 6):
        annotated.save(id_, photo)

    annotated.store_with(s3).build(annotated.catalogue())

    assert (s3.requests["get_object annotations"], s3.requests["head_object images"]) == (5, 1)


def test_what_was_read_in_another_way_is_read_anew_and_makes_the_same_snapshot(annotated: Annotated) -> None:
    annotated.save(1)
    before, s3 = annotated.build(), Counting(annotated.s3)
    pointer = annotated.s3.objects["snapshots/latest.json"]
    annotated.s3.objects["snapshots/latest.json"] = pointer.replace(b'"reading":%d' % READING, b'"reading":1')

    after = annotated.store_with(s3).build(annotated.catalogue())

    assert s3.requests["get_object annotations"] == 1
    assert (after.name, after.shards, after.index) == (before.name, before.shards, before.index)


def test_a_build_leaves_pythons_own_housekeeping_as_it_was(annotated: Annotated) -> None:
    annotated.save(1)
    before = gc.get_threshold()

    annotated.build()

    assert gc.get_threshold() == before


# Which annotation of a photo counts


def test_the_latest_annotation_of_a_photo_counts_and_the_others_are_superseded(annotated: Annotated) -> None:
    photo = annotated.photo("a.jpg")
    for id_, minute in ((1, 5), (2, 9), (3, 7)):
        annotated.save(id_, photo, minute=minute)

    snapshot = annotated.build()

    assert annotation_ids(annotated, snapshot) == {2}
    assert snapshot.left_out["superseded"] == 2


def test_ground_truth_wins_over_later_annotations(annotated: Annotated) -> None:
    photo = annotated.photo("a.jpg")
    annotated.save(1, photo, minute=1, ground_truth=True)
    annotated.save(2, photo, minute=2)

    assert annotation_ids(annotated, annotated.build()) == {1}


def test_of_equally_late_annotations_the_highest_id_counts(annotated: Annotated) -> None:
    photo = annotated.photo("a.jpg")
    annotated.save(9, photo, minute=1)
    annotated.save(10, photo, minute=1)

    assert annotation_ids(annotated, annotated.build()) == {10}


def test_a_superseded_annotation_counts_again_when_the_other_is_deleted(annotated: Annotated) -> None:
    photo = annotated.photo("a.jpg")
    annotated.save(1, photo)
    first = annotated.build()
    annotated.save(2, photo, result=[box("leek")])
    assert annotation_ids(annotated, annotated.build()) == {2}

    annotated.delete(2)
    snapshot = annotated.build()

    assert annotation_ids(annotated, snapshot) == {1}
    assert snapshot.name == first.name


# What is left out


def test_a_skipped_annotation_is_left_out(annotated: Annotated) -> None:
    annotated.save(1)
    annotated.save(2, was_cancelled=True)

    snapshot = annotated.build()

    assert (annotation_ids(annotated, snapshot), snapshot.left_out["skipped"]) == ({1}, 1)


def test_a_deleted_annotation_leaves(annotated: Annotated) -> None:
    annotated.save(1)
    annotated.save(2)
    annotated.build()

    annotated.delete(1)

    assert annotation_ids(annotated, annotated.build()) == {2}


def test_an_annotation_of_a_photo_in_a_foreign_bucket_is_left_out(annotated: Annotated) -> None:
    annotated.save(1, "s3://foreign/1.jpg")

    snapshot = annotated.build()

    assert (lines(annotated, snapshot), snapshot.left_out["photo_refused"]) == ([], 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"result": [box() | {"original_width": 0}]},
        {"result": [box(), box(id_="r2", original_width=400)]},
        {"result": "no list"},
        {"updated_at": "yesterday"},
        {"task": {"id": 2, "data": {"image": "https://example.org/1.jpg"}}},
        {"task": {"id": 2, "data": {"left": "s3://a/1.jpg", "right": "s3://a/2.jpg"}}},
    ],
)
def test_an_unreadable_annotation_is_counted_and_costs_no_other(annotated: Annotated, changes: dict[str, Any]) -> None:
    annotated.save(1)
    annotated.save(2, **changes)

    snapshot = annotated.build()

    assert (annotation_ids(annotated, snapshot), snapshot.left_out["unreadable"]) == ({1}, 1)
    assert annotated.build() == snapshot


def test_a_scale_that_is_none_is_not_taken_for_another(annotated: Annotated) -> None:
    annotated.save(1, task={"id": 1, "data": {"image": annotated.photo("a.jpg"), "mm_per_px": "wide"}})

    assert annotated.build().left_out["unreadable"] == 1


def test_what_is_no_annotation_is_counted_if_it_has_an_annotations_name_and_else_ignored(annotated: Annotated) -> None:
    annotated.put(3, b"\x00 no JSON")
    annotated.put("readme.txt", b"hello")
    annotated.put("", b"")

    snapshot = annotated.build()

    assert snapshot.left_out == dict.fromkeys(snapshot.left_out, 0) | {"unreadable": 1}


def test_an_annotation_that_is_too_large_is_left_out(annotated: Annotated) -> None:
    annotated.save(1)
    annotated.put(2, b" " * (MAX_BYTES + 1))

    snapshot = annotated.build()

    assert snapshot.left_out["unreadable"] == 1
    assert annotation_ids(annotated, snapshot) == {1}
