"""The comparison of detectors: who learns from what, and what is read of the others' files."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.detector.contender import Job, ProgramFailed
from benchmarks.detector.finds import Find, Outcome, read_outcome, write_outcome
from benchmarks.detector.photos import dealt, prepare_fold, read_data_set
from benchmarks.detector.yolo import finds_of, lay_out, seconds_per_photo, text_of
from loc360.wire import Box
from phenoloop.errors import SettingsInvalid
from training.data.dataset import LabelledObject, LabelledPhoto, read_labels, read_photos

LABELS = ("green", "red")


def photo(name: str, group: str | None = None, objects: int = 1) -> LabelledPhoto:
    things = tuple(LabelledObject(LABELS[index % 2], Box(10, 20, 30 + index, 60), None) for index in range(objects))
    return LabelledPhoto(Path(f"{name}.jpg"), f"{name}.jpg", group, 200, 100, None, things)


def data_set(folder: Path, *, width_px: int = 200, **image: object) -> Path:
    (folder / "images").mkdir()
    Image.new("RGB", (width_px, 100)).save(folder / "images/1.jpg")
    described = {"id": 1, "file_name": "1.jpg", "width": 200, "height": 100} | image
    things = [{"image_id": 1, "category_id": 7, "bbox": [150, 20, 80, 10]}]
    coco = {"images": [described], "annotations": things, "categories": [{"id": 7, "name": "red"}]}
    (folder / "annotations.json").write_text(json.dumps(coco))
    return folder


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30)), min_size=1, max_size=40), st.integers(1, 4))
def test_every_photo_is_in_one_fold_with_its_whole_group(numbers: list[tuple[int, int]], count: int) -> None:
    photos = [photo(str(index), f"plant-{group}", objects) for index, (group, objects) in enumerate(numbers)]
    if len({item.group for item in photos}) < count:
        with pytest.raises(SettingsInvalid, match="fewer groups"):
            dealt(photos, count)
        return
    folds = dealt(photos, count)
    assert sorted(item.source for fold in folds for item in fold) == sorted(item.source for item in photos)
    groups = [{item.group for item in fold} for fold in folds]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert folds == dealt(photos, count)


def test_folds_have_about_as_many_objects() -> None:
    photos = [photo(str(index), str(index), objects) for index, objects in enumerate((9, 1, 5, 4, 3, 8))]
    assert [sum(len(item.objects) for item in fold) for fold in dealt(photos, 3)] == [10, 11, 9]


def test_photos_without_a_group_are_each_their_own() -> None:
    assert [len(fold) for fold in dealt([photo(name) for name in "abc"], 3)] == [1, 1, 1]


def test_boxes_of_a_data_set_end_at_the_photos_edge(tmp_path: Path) -> None:
    (read,) = read_data_set(data_set(tmp_path, group=4))
    assert read.group == "4"
    assert [(thing.label, thing.box_px) for thing in read.objects] == [("red", Box(150, 20, 200, 30))]


def test_a_photo_of_another_size_than_its_annotations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="not of its size"):
        read_data_set(data_set(tmp_path, width_px=100))


def test_the_held_out_fold_is_for_testing_only(tmp_path: Path) -> None:
    prepare_fold(tmp_path, folds(tmp_path), 1)
    assert [Path(item.source).name for item in read_photos(tmp_path / "train")] == ["a.jpg", "c.jpg"]
    assert [Path(item.source).name for item in read_photos(tmp_path / "test")] == ["b.jpg"]
    assert read_labels(tmp_path / "test") == ("green",)


def folds(folder: Path) -> list[list[LabelledPhoto]]:
    for name in "abc":
        Image.new("RGB", (200, 100)).save(f"{folder}/{name}.jpg")
    return [[photo(f"{folder}/{name}")] for name in "abc"]


def job(folder: Path) -> Job:
    prepare_fold(folder, folds(folder), 1)
    base = folder / "yolo"
    base.mkdir()
    return Job(base, folder / "train", folder / "test", 60.0, Path("python"), {})


def test_yolo_learns_from_the_training_photos_and_is_shown_no_truth_of_the_others(tmp_path: Path) -> None:
    lay_out(job(tmp_path))
    assert sorted(file.name for file in (tmp_path / "yolo/images/train").iterdir()) == ["0000.jpg", "0001.jpg"]
    assert (tmp_path / "yolo/labels/train/0000.txt").read_text().startswith("0 0.1")
    assert not (tmp_path / "yolo/labels/test").exists()
    assert "val: images/train" in (tmp_path / "yolo/data.yaml").read_text()


def test_what_yolo_writes_comes_back_in_the_photos_pixels(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("1 0.5 0.25 0.1 0.5 0.875\n0 0.05 0.5 0.1 1 0.001\n")
    red, green = finds_of(tmp_path, photo("p"), LABELS)
    assert (red.label, red.score, green.label, green.score) == ("red", 0.875, "green", 0.001)
    assert red.box_px == pytest.approx((90, 0, 110, 50))
    assert green.box_px == pytest.approx((0, 0, 20, 100))


def test_where_yolo_writes_no_file_it_found_nothing(tmp_path: Path) -> None:
    assert finds_of(tmp_path, photo("p"), LABELS) == ()


@given(st.tuples(st.floats(0, 180), st.floats(0, 90)), st.tuples(st.floats(1, 20), st.floats(1, 10)))
def test_boxes_survive_yolos_text(
    tmp_path_factory: pytest.TempPathFactory, corner: tuple[float, float], size: tuple[float, float]
) -> None:
    box = Box(*corner, corner[0] + size[0], corner[1] + size[1])
    of_one = LabelledPhoto(Path("p.jpg"), "p.jpg", None, 200, 100, None, (LabelledObject("red", box, None),))
    folder = tmp_path_factory.mktemp("finds")
    (folder / "p.txt").write_text(text_of(of_one, LABELS).strip() + " 0.5\n")
    (find,) = finds_of(folder, of_one, LABELS)
    assert find.label == "red"
    assert find.box_px == pytest.approx(box, abs=1e-5)


def test_yolos_time_is_all_that_it_needs_for_a_photo(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Speed: 2.0ms preprocess, 45.5ms inference, 2.5ms postprocess per image at shape (1, 3, 480, 640)")
    assert seconds_per_photo(log) == pytest.approx(0.05)


def test_a_test_of_no_photo_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")
    with pytest.raises(ProgramFailed):
        seconds_per_photo(tmp_path / "log")


def test_finds_come_back_from_their_file(tmp_path: Path) -> None:
    tested = Outcome({"a.jpg": (Find("red", Box(1.0, 2.0, 3.0, 4.0), 0.5),), "b.jpg": ()}, 0.25)
    write_outcome(tmp_path / "tested.json", tested)
    assert read_outcome(tmp_path / "tested.json") == tested
