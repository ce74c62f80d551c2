"""What preprocessing makes of the plan, on one instance or on several."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc360.photo import photo_size, read_photo
from loc360.wire import Box
from tests.unit.fake_models import COLOURS, Painted, paint
from tests.unit.training_runs import report, run_fetch, run_preprocess
from tests.unit.training_snapshots import (
    emptied,
    line,
    moto_s3,
    pattern,
    put_photo,
    put_snapshot,
    region,
    square,
)
from training.data.dataset import LabelledObject, LabelledPhoto, read_labels, read_photos, scaled
from training.errors import DatasetInvalid, JobFailed
from training.job import ProcessingFolders
from training.masks import PlacedMask


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with moto_s3() as s3:
        yield s3


@pytest.fixture
def s3(client: Any) -> Any:
    return emptied(client)


def photos(folders: ProcessingFolders, split: str) -> tuple[LabelledPhoto, ...]:
    return read_photos(folders.output(split))


def run(s3: Any, base: Path, *lines: dict[str, Any], side_px: int = 1600) -> ProcessingFolders:
    """On one instance."""
    put_snapshot(s3, *lines)
    run_fetch(s3, base, side_px=side_px)
    return run_preprocess(s3, base, side_px=side_px)


def test_each_photo_goes_to_its_split(s3: Any, tmp_path: Path) -> None:
    for name in "abcd":
        put_photo(s3, f"{name}.jpg")
    folders = run(s3, tmp_path, line("a.jpg"), line("b.jpg", "test"), line("c.jpg", "validation"), line("d.jpg"))
    assert [photo.source[-5:] for photo in photos(folders, "train")] == ["a.jpg", "d.jpg"]
    assert [photo.file.name for photo in photos(folders, "train")] == ["000001.jpg", "000004.jpg"]
    assert [photo.source[-5:] for photo in photos(folders, "validation")] == ["c.jpg"]
    assert [photo.source[-5:] for photo in photos(folders, "test")] == ["b.jpg"]
    assert report(folders, "preprocess-algo-1.json")["photos"] == {"train": 2, "validation": 1, "test": 1}


def test_photos_to_learn_from_are_scaled_with_their_truth(s3: Any, tmp_path: Path) -> None:
    box, mask = square()
    put_photo(s3, "a.jpg")
    folders = run(s3, tmp_path, line("a.jpg", regions=[region(box, mask=mask)]), side_px=200)
    (photo,) = photos(folders, "train")
    (thing,) = photo.objects
    assert photo_size(str(photo.file)) == (photo.width_px, photo.height_px) == (200, 150)
    assert photo.mm_per_px == 1.0
    assert thing.box_px == Box(50, 25, 60, 35)
    assert thing.mask is not None
    assert (thing.mask.origin_px, thing.mask.mask.shape, thing.mask.mask.all()) == ((50, 25), (10, 10), True)


def test_a_photo_to_learn_from_is_stored_upright(s3: Any, tmp_path: Path) -> None:
    """Orientation 6: the sensor's right edge is up."""
    upright = paint(300, 400, [Painted("carrot", Box(10, 20, 110, 80))])
    put_photo(s3, "a.jpg", np.ascontiguousarray(np.rot90(upright)), orientation=6)
    folders = run(s3, tmp_path, line("a.jpg", width_px=300, height_px=400, regions=[region((10, 20, 110, 80))]))
    (photo,) = photos(folders, "train")
    x0, y0, x1, y1 = map(int, photo.objects[0].box_px)
    stored = read_photo(str(photo.file))
    assert stored.shape == (400, 300, 3)
    assert np.allclose(stored[y0 + 9 : y1 - 9, x0 + 9 : x1 - 9], COLOURS["carrot"], atol=12)


def test_test_photos_are_kept_as_they_are(s3: Any, tmp_path: Path) -> None:
    box, mask = square()
    put_photo(s3, "a.jpg")
    original = put_photo(s3, "b.PNG", kind="PNG")
    folders = run(
        s3, tmp_path, line("a.jpg"), line("b.PNG", "test", [region(box, mask=mask)], group="plant-3"), side_px=100
    )
    (photo,) = photos(folders, "test")
    assert photo.file.name == "000002.png"
    assert photo.file.read_bytes() == original
    assert (photo.width_px, photo.height_px, photo.mm_per_px, photo.group) == (400, 300, 0.5, "plant-3")
    assert photo.objects[0].box_px == box
    assert read_labels(folders.output("test")) == ("carrot", "tomato")


def test_boxes_and_masks_are_clipped_to_the_photo(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "a.jpg")
    over_the_edge = region((-10, -10, 20, 20), mask=np.ones((30, 30), np.bool_))
    folders = run(
        s3, tmp_path, line("a.jpg", regions=[over_the_edge, region((395, 50, 470, 90)), region((500, 0, 600, 9))])
    )
    masked, boxed = photos(folders, "train")[0].objects
    assert masked.box_px == Box(0, 0, 20, 20)
    assert masked.mask is not None
    assert (masked.mask.origin_px, masked.mask.mask.shape) == ((0, 0), (20, 20))
    assert boxed.box_px == Box(395, 50, 400, 90)
    assert report(folders, "preprocess-algo-1.json")["regions"]["train"] == 2


def test_masks_and_regions_are_counted(s3: Any, tmp_path: Path) -> None:
    box, mask = square()
    put_photo(s3, "a.jpg")
    put_photo(s3, "b.jpg")
    folders = run(
        s3, tmp_path, line("a.jpg", regions=[region(box, mask=mask), region(box)]), line("b.jpg", "test", [region(box)])
    )
    assert report(folders, "preprocess-algo-1.json")["regions"] == {"train": 2, "validation": 0, "test": 1}
    assert report(folders, "preprocess-algo-1.json")["masks"] == {"train": 1, "validation": 0, "test": 0}


def test_a_photo_that_left_the_cache_is_made_anew(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "a.jpg")
    put_snapshot(s3, line("a.jpg"))
    run_fetch(s3, tmp_path, side_px=200)
    emptied(s3, "cache/")
    folders = run_preprocess(s3, tmp_path, side_px=200)
    assert photo_size(str(photos(folders, "train")[0].file)) == (200, 150)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_photo_that_changes_meanwhile_is_left_out_and_named(s3: Any, tmp_path: Path, split: str) -> None:
    for name in "ab":
        put_photo(s3, f"{name}.jpg")
    put_snapshot(s3, line("a.jpg"), line("b.jpg", split))
    run_fetch(s3, tmp_path)
    put_photo(s3, "b.jpg", pattern(1))
    emptied(s3, "cache/")
    folders = run_preprocess(s3, tmp_path)
    assert [photo.source[-5:] for photo in photos(folders, "train")] == ["a.jpg"]
    (item,) = report(folders, "preprocess-algo-1.json")["left_out"]
    assert item == {"photo": "s3://loop/images/b.jpg", "reason": "The photo became another one during the run."}


def test_several_instances_make_what_one_makes(s3: Any, tmp_path: Path) -> None:
    box, mask = square()
    for name in "abcdefg":
        put_photo(s3, f"{name}.jpg")
    put_snapshot(
        s3, *(line(f"{name}.jpg", regions=[region(box, mask=mask)]) for name in "abcde"), line("f.jpg", "test")
    )
    run_fetch(s3, tmp_path, parts=4)
    alone = run_preprocess(s3, tmp_path, host="alone")
    shared = tmp_path / "shared"
    for host, parts in (("algo-1", (0, 2)), ("algo-2", (1,)), ("algo-3", (3,)), ("algo-4", ())):
        folders = run_preprocess(s3, tmp_path, host=host, parts=parts)
        shutil.copytree(folders.output("train"), shared, dirs_exist_ok=True)
    assert len(list(shared.glob("photos-algo-*.jsonl"))) == 4
    one, many = photos(alone, "train"), read_photos(shared)
    assert [(photo.source, photo.file.name) for photo in many] == [(photo.source, photo.file.name) for photo in one]
    assert [photo.file.read_bytes() for photo in many] == [photo.file.read_bytes() for photo in one]


def test_an_instance_without_a_part_writes_empty_folders(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "a.jpg")
    put_snapshot(s3, line("a.jpg"))
    run_fetch(s3, tmp_path)
    folders = run_preprocess(s3, tmp_path, host="algo-9", parts=())
    assert photos(folders, "train") == ()
    assert read_labels(folders.output("test")) == ("carrot", "tomato")
    assert report(folders, "preprocess-algo-9.json")["photos"] == {"train": 0, "validation": 0, "test": 0}


def test_a_plan_of_another_form_is_refused(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "a.jpg")
    put_snapshot(s3, line("a.jpg"))
    run_fetch(s3, tmp_path, parts=1)
    (tmp_path / "fetch/processing/output/plan/part-0000.jsonl").write_text("{}\n")
    with pytest.raises(JobFailed, match=r"part-0000.jsonl of the plan can't be read"):
        run_preprocess(s3, tmp_path)


def test_a_folder_without_its_photos_is_refused(s3: Any, tmp_path: Path) -> None:
    for name in "ab":
        put_photo(s3, f"{name}.jpg")
    folders = run(s3, tmp_path, line("a.jpg"), line("b.jpg"))
    (folders.output("train") / "000002.jpg").unlink()
    with pytest.raises(DatasetInvalid, match=r"lacks 1 of its photos, such as 000002.jpg"):
        photos(folders, "train")


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match=r"can't be read: there is none"):
        read_photos(tmp_path)


sides = st.integers(8, 60)


@settings(deadline=None)
@given(x=st.integers(0, 300), y=st.integers(0, 200), width=sides, height=sides, factor=st.floats(0.3, 1.0))
def test_a_scaled_mask_stays_on_its_object(x: int, y: int, width: int, height: int, factor: float) -> None:
    box = Box(x, y, x + width, y + height)
    thing = LabelledObject("carrot", box, PlacedMask(np.ones((height, width), np.bool_), (x, y)))
    photo = LabelledPhoto(Path("f"), "s", None, 400, 300, 0.5, (thing,))
    small = scaled(photo, round(400 * factor), round(300 * factor))
    (there,) = small.objects
    assert there.mask is not None
    assert np.allclose(there.mask.box_px, there.box_px, atol=1)
    across, down = there.box_px.x1 - there.box_px.x0, there.box_px.y1 - there.box_px.y0
    assert abs(there.mask.mask.sum() - across * down) <= across + down
