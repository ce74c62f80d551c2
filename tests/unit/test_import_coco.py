"""COCO labels as annotations of a project: what comes in, what is left out and why, and that once is enough."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenoloop.chain.images import ImageStore
from phenoloop.errors import LabelStudioUnavailable, SettingsInvalid
from phenoloop.importing.coco import CocoImage, mask_of
from phenoloop.importing.drawing import parse_label_map
from phenoloop.importing.outcome import Summary
from phenoloop.importing.photos import StoredPhotos
from phenoloop.labelling.config import ControlKind
from tests.unit.backend_fakes import BOXES, MASKS
from tests.unit.import_bench import HEIGHT_PX, WIDTH_PX, Bench, FakeLabelStudio, WithLengths, as_text, run_lengths

BOX: dict[str, Any] = {"bbox": [4, 5, 10, 8]}
POLYGON: dict[str, Any] = BOX | {"segmentation": [[4, 5, 14, 5, 14, 13, 4, 13]]}
BOTH = MASKS.replace('smartOnly="true" strokeWidth', "strokeWidth")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def reasons(summary: Summary) -> dict[str, str]:
    return {item.photo: item.reason for item in summary.left_out}


# What comes in


def test_a_photo_is_uploaded_and_its_boxes_are_annotated(bench: Bench) -> None:
    bench.photo("a.png", BOX)
    summary = bench.run()
    ((region,),) = bench.annotated().values()
    assert (region.kind, region.label, region.origin) == (ControlKind.RECTANGLE, "tomato", "manual")
    assert region.box_px == pytest.approx((4, 5, 14, 13), abs=0.01)
    assert (region.width_px, region.height_px) == (WIDTH_PX, HEIGHT_PX)
    assert list(bench.s3.objects) == ["images/a.png"]
    assert (summary.annotated, summary.objects, summary.masks, summary.uploaded, summary.tasks_made) == (1, 1, 0, 1, 1)


def test_a_polygon_becomes_a_mask_where_the_project_has_masks(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MASKS)
    bench.photo("a.png", POLYGON)
    assert bench.run().masks == 1
    ((region,),) = bench.annotated().values()
    assert region.mask is not None
    assert (region.kind, region.origin_px, region.mask.shape) == (ControlKind.BRUSH, (4, 5), (8, 10))


def test_a_box_stays_a_box_beside_masks(tmp_path: Path) -> None:
    """A brush mask would claim to know the outline."""
    bench = Bench(tmp_path, BOTH)
    bench.photo("a.png", BOX, POLYGON)
    bench.run()
    (regions,) = bench.annotated().values()
    assert [region.kind for region in regions] == [ControlKind.RECTANGLE, ControlKind.BRUSH]


def test_equal_objects_are_two_regions(bench: Bench) -> None:
    bench.photo("a.png", BOX, BOX)
    bench.run()
    assert len(bench.annotated()["images/a.png"]) == 2


def test_group_and_scale_travel_with_an_uploaded_photo(bench: Bench) -> None:
    bench.photo("a.png", BOX, group=3, mm_per_px=0.25)
    bench.run()
    metadata = bench.s3.head_object(Bucket="loop", Key="images/a.png")["Metadata"]
    assert (metadata["group"], metadata["mm-per-px"]) == ("3", "0.25")


def test_group_and_scale_of_a_photo_that_is_there_become_the_tasks_data(bench: Bench) -> None:
    bench.photo("a.png", BOX, group="plot 1")
    bench.local.put(CocoImage("a.png", WIDTH_PX, HEIGHT_PX, (), None, None))
    bench.photo("b.png", BOX, group="Beet \u00e4")  # S3's metadata hold ASCII only
    bench.run()
    assert bench.label_studio.data == {
        1: {"image": "s3://loop/images/a.png", "group": "plot 1"},
        2: {"image": "s3://loop/images/b.png", "group": "Beet \u00e4"},
    }


def test_categories_are_renamed_or_left_out_as_asked(bench: Bench) -> None:
    bench.photo("a.png", BOX, BOX | {"category_id": 2})
    bench.photo("b.png", BOX, BOX | {"category_id": 2})
    bench.run(label_map={"Love apple": "pepper"})
    assert [region.label for region in bench.annotated()["images/a.png"]] == ["tomato", "pepper"]
    assert parse_label_map(["Love apple=pepper", "stone="]) == {"Love apple": "pepper", "stone": ""}
    with pytest.raises(SettingsInvalid, match="CATEGORY=LABEL"):
        parse_label_map(["pepper"])


def test_objects_of_a_category_that_is_left_out_are_not_drawn(bench: Bench) -> None:
    bench.photo("a.png", BOX, BOX | {"category_id": 2})
    assert bench.run(label_map={"Love apple": ""}).objects == 1


def test_photos_in_s3_are_annotated_where_they_are(bench: Bench) -> None:
    bench.photo("a.png", BOX)
    bench.run()
    store = ImageStore(WithLengths(bench.s3), {"loop"}, 10**6)  # type: ignore[arg-type]
    bench.label_studio = FakeLabelStudio(bench.s3, BOXES)
    summary = bench.run(StoredPhotos(store, "s3://loop/images/"))
    assert (summary.annotated, summary.uploaded, list(bench.annotated())) == (1, 0, ["images/a.png"])


def test_a_task_is_made_even_where_no_storage_holds_the_photo(tmp_path: Path) -> None:
    bench = Bench(tmp_path, with_storage=False)
    bench.photo("a.png", BOX, group="plot 1")
    bench.run()
    assert bench.label_studio.data == {1: {"image": "s3://loop/images/a.png", "group": "plot 1"}}
    assert list(bench.annotated()) == ["images/a.png"]


# Once is enough


def test_a_second_import_changes_nothing(bench: Bench) -> None:
    bench.photo("a.png", BOX)
    bench.run()
    summary = bench.run()
    assert (summary.annotated, summary.already_annotated, summary.uploaded) == (0, 1, 0)
    assert (len(bench.label_studio.data), len(bench.annotated())) == (1, 1)


def test_an_import_that_broke_off_goes_on_where_it_ended(bench: Bench) -> None:
    for name in "abcdef":
        bench.photo(f"{name}.png", BOX)
    bench.label_studio.fails_after = 2
    with pytest.raises(LabelStudioUnavailable):
        bench.run()
    bench.label_studio.fails_after = None
    summary = bench.run()
    assert (summary.annotated + summary.already_annotated, summary.uploaded) == (6, 0)
    assert len(bench.annotated()) == len(bench.label_studio.data) == 6


def test_the_storage_makes_no_second_task_later(bench: Bench) -> None:
    """It does not know tasks that it did not make itself."""
    bench.photo("a.png", BOX)
    bench.run()
    bench.label_studio.sync_photo_storage(1)
    assert len(bench.label_studio.data) == 1


def test_a_rehearsal_says_what_would_be_done_and_does_nothing(bench: Bench) -> None:
    bench.photo("a.png", BOX)
    bench.photo("gone.png", BOX, there=False)
    rehearsed = bench.run(rehearsed=True)
    assert (bench.s3.objects, bench.label_studio.data) == ({}, {})
    done = bench.run()
    assert (rehearsed.annotated, rehearsed.tasks_made, rehearsed.left_out) == (1, 1, done.left_out)


# What is left out


@pytest.mark.parametrize(
    ("annotation", "image", "reason"),
    [
        (BOX, {"there": False}, "The photo is missing."),
        (BOX, {"width": WIDTH_PX + 1}, "of another size"),
        (BOX, {"width": HEIGHT_PX, "height": WIDTH_PX}, "lying on its side"),
        (BOX | {"category_id": 2}, {}, "no label for the category 'Love apple': --label Love apple=LABEL"),
        (BOX | {"iscrowd": 1}, {}, "--drop-crowds"),
        (BOX | {"segmentation": {"size": [1, 1], "counts": [0, 1]}}, {}, "A segmentation is garbled."),
    ],
)
def test_what_can_not_be_imported_whole_is_named_with_the_reason(
    bench: Bench, annotation: dict[str, Any], image: dict[str, Any], reason: str
) -> None:
    bench.photo("x.png", annotation, **image)
    bench.photo("good.png", BOX)
    summary = bench.run()
    assert reason in reasons(summary)["x.png"]
    assert list(bench.annotated()) == ["images/good.png"]
    assert "images/x.png" not in bench.s3.objects


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "x.gif"])
def test_a_name_that_is_none_of_a_photo_is_left_out(bench: Bench, name: str) -> None:
    bench.photo(name, BOX, there=False)
    assert list(reasons(bench.run())) == [name]


def test_boxes_need_a_control_for_boxes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MASKS)
    bench.photo("a.png", BOX)
    assert "no control for boxes" in reasons(bench.run())["a.png"]


def test_a_photo_without_objects_shows_nothing_only_if_that_is_said(bench: Bench) -> None:
    """Perhaps nobody looked at it yet."""
    bench.photo("a.png")
    assert "--empty" in reasons(bench.run())["a.png"]
    bench.run(empty=True)
    assert bench.annotated() == {"images/a.png": []}


def test_crowds_are_dropped_if_asked_for(bench: Bench) -> None:
    bench.photo("a.png", BOX, BOX | {"iscrowd": 1, "segmentation": {"size": [1, 1], "counts": "?"}})
    assert bench.run(drop_crowds=True).objects == 1


def test_another_photo_under_the_name_is_never_overwritten(bench: Bench) -> None:
    bench.photo("a.png", BOX)
    bench.s3.put_object(Bucket="loop", Key="images/a.png", Body=b"other")
    assert "--into" in reasons(bench.run())["a.png"]
    assert bench.s3.objects["images/a.png"] == b"other"


def test_objects_too_small_to_see_and_annotations_of_no_image_are_counted(bench: Bench) -> None:
    bench.photo("a.png", BOX, {"bbox": [50, 50, 9, 9]}, BOX | {"image_id": 99})
    summary = bench.run()
    assert (summary.objects, summary.too_small, summary.strays) == (1, 1, 1)


# Run lengths


@given(mask=st.integers(0, 2**12 - 1), compressed=st.booleans())
def test_run_lengths_are_read_as_pycocotools_writes_them(mask: int, compressed: bool) -> None:  # noqa: FBT001
    whole = np.array([mask >> bit & 1 for bit in range(12)], np.bool_).reshape(3, 4)
    counts: Any = run_lengths(whole)
    found, (x, y) = mask_of({"size": [3, 4], "counts": as_text(counts) if compressed else counts}, 4, 3)
    placed = np.zeros((3, 4), np.bool_)
    placed[y : y + found.shape[0], x : x + found.shape[1]] = found
    assert np.array_equal(placed, whole)
