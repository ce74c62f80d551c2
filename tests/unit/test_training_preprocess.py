"""What preprocessing makes of a snapshot."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from loc360.photo import photo_size, read_photo
from loc360.wire import Box
from tests.unit.fake_models import COLOURS, Painted, paint
from tests.unit.training_snapshots import (
    BUCKET,
    SNAPSHOT,
    emptied,
    line,
    moto_s3,
    put_photo,
    put_snapshot,
    region,
    square,
)
from training.dataset import LabelledObject, LabelledPhoto, read_labels, read_photos, scaled
from training.errors import DatasetInvalid, JobFailed
from training.job import ProcessingFolders
from training.masks import PlacedMask
from training.preprocess import preprocess


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with moto_s3() as s3:
        yield s3


@pytest.fixture
def s3(client: Any) -> Any:
    return emptied(client)


@pytest.fixture
def folders(tmp_path: Path) -> ProcessingFolders:
    return ProcessingFolders(tmp_path)


def photos(folders: ProcessingFolders, split: str) -> tuple[LabelledPhoto, ...]:
    return read_photos(folders.output(split))


def report(folders: ProcessingFolders) -> dict[str, Any]:
    return dict(json.loads((folders.output("report") / "preprocess.json").read_text()))


def run(s3: Any, folders: ProcessingFolders, *lines: dict[str, Any], side_px: int = 1600) -> None:
    preprocess(s3, put_snapshot(s3, *lines), folders, side_px=side_px)


def test_each_photo_goes_to_its_split(s3: Any, folders: ProcessingFolders) -> None:
    for name in "abcd":
        put_photo(s3, f"{name}.jpg")
    run(s3, folders, line("a.jpg"), line("b.jpg", "test"), line("c.jpg", "validation"), line("d.jpg"))
    assert [photo.source[-5:] for photo in photos(folders, "train")] == ["a.jpg", "d.jpg"]
    assert [photo.file.name for photo in photos(folders, "train")] == ["0001.jpg", "0002.jpg"]
    assert [photo.source[-5:] for photo in photos(folders, "validation")] == ["c.jpg"]
    assert [photo.source[-5:] for photo in photos(folders, "test")] == ["b.jpg"]
    assert report(folders)["photos"] == {"train": 2, "validation": 1, "test": 1}


def test_photos_to_learn_from_are_scaled_with_their_truth(s3: Any, folders: ProcessingFolders) -> None:
    box, mask = square()
    put_photo(s3, "a.jpg")
    run(s3, folders, line("a.jpg", regions=[region(box, mask=mask)]), side_px=200)
    (photo,) = photos(folders, "train")
    (thing,) = photo.objects
    assert photo_size(str(photo.file)) == (photo.width_px, photo.height_px) == (200, 150)
    assert photo.mm_per_px == 1.0
    assert thing.box_px == Box(50, 25, 60, 35)
    assert thing.mask is not None
    assert (thing.mask.origin_px, thing.mask.mask.shape, thing.mask.mask.all()) == ((50, 25), (10, 10), True)


def test_a_photo_to_learn_from_is_stored_upright(s3: Any, folders: ProcessingFolders) -> None:
    """Orientation 6: the sensor's right edge is up."""
    upright = paint(300, 400, [Painted("carrot", Box(10, 20, 110, 80))])
    put_photo(s3, "a.jpg", np.ascontiguousarray(np.rot90(upright)), orientation=6)
    run(s3, folders, line("a.jpg", width_px=300, height_px=400, regions=[region((10, 20, 110, 80))]))
    (photo,) = photos(folders, "train")
    x0, y0, x1, y1 = map(int, photo.objects[0].box_px)
    stored = read_photo(str(photo.file))
    assert stored.shape == (400, 300, 3)
    assert np.allclose(stored[y0 + 9 : y1 - 9, x0 + 9 : x1 - 9], COLOURS["carrot"], atol=12)


def test_test_photos_are_kept_as_they_are(s3: Any, folders: ProcessingFolders) -> None:
    box, mask = square()
    put_photo(s3, "a.jpg")
    original = put_photo(s3, "b.PNG", kind="PNG")
    run(s3, folders, line("a.jpg"), line("b.PNG", "test", [region(box, mask=mask)], group="plant-3"), side_px=100)
    (photo,) = photos(folders, "test")
    assert photo.file.name == "0001.png"
    assert photo.file.read_bytes() == original
    assert (photo.width_px, photo.height_px, photo.mm_per_px, photo.group) == (400, 300, 0.5, "plant-3")
    assert photo.objects[0].box_px == box
    assert read_labels(folders.output("test")) == ("carrot", "tomato")


def test_key_points_are_dropped_and_counted(s3: Any, folders: ProcessingFolders) -> None:
    put_photo(s3, "a.jpg")
    run(s3, folders, line("a.jpg", regions=[region((9, 9, 9, 9), kind="keypoint"), region((0, 0, 30, 30))]))
    assert len(photos(folders, "train")[0].objects) == 1
    assert report(folders)["key_points"] == 1
    assert report(folders)["regions"]["train"] == 1


def test_a_photo_with_a_key_point_outside_all_regions_is_left_out(s3: Any, folders: ProcessingFolders) -> None:
    """Its object would be learnt as background."""
    put_photo(s3, "x.jpg")
    point = region((99, 99, 99, 99), kind="keypoint")
    (item,) = left_out(s3, folders, line("x.jpg", regions=[point, region((0, 0, 30, 30))]))
    assert item["reason"] == "Key points in no other region: 1. Their objects would be learnt as background."


def test_photos_with_key_points_alone_are_no_broken_photos(s3: Any, folders: ProcessingFolders) -> None:
    points = [line(f"{name}.jpg", regions=[region((9, 9, 9, 9), kind="keypoint")]) for name in "xyz"]
    for name in "xyz":
        put_photo(s3, f"{name}.jpg")
    assert len(left_out(s3, folders, *points)) == 3


def test_boxes_and_masks_are_clipped_to_the_photo(s3: Any, folders: ProcessingFolders) -> None:
    put_photo(s3, "a.jpg")
    over_the_edge = region((-10, -10, 20, 20), mask=np.ones((30, 30), np.bool_))
    run(s3, folders, line("a.jpg", regions=[over_the_edge, region((395, 50, 470, 90)), region((500, 0, 600, 9))]))
    masked, boxed = photos(folders, "train")[0].objects
    assert masked.box_px == Box(0, 0, 20, 20)
    assert masked.mask is not None
    assert (masked.mask.origin_px, masked.mask.mask.shape) == ((0, 0), (20, 20))
    assert boxed.box_px == Box(395, 50, 400, 90)
    assert report(folders)["outside"] == 1


def test_masks_and_regions_are_counted(s3: Any, folders: ProcessingFolders) -> None:
    box, mask = square()
    put_photo(s3, "a.jpg")
    put_photo(s3, "b.jpg")
    run(s3, folders, line("a.jpg", regions=[region(box, mask=mask), region(box)]), line("b.jpg", "test", [region(box)]))
    assert report(folders)["regions"] == {"train": 2, "validation": 0, "test": 1}
    assert report(folders)["masks"] == {"train": 1, "validation": 0, "test": 0}
    assert report(folders)["labels"] == ["carrot", "tomato"]


def five_good(s3: Any) -> list[dict[str, Any]]:
    for name in "abcde":
        put_photo(s3, f"{name}.jpg")
    return [line(f"{name}.jpg") for name in "abcde"]


def left_out(s3: Any, folders: ProcessingFolders, *lines: dict[str, Any]) -> list[dict[str, str]]:
    run(s3, folders, *five_good(s3), *lines)
    assert len(photos(folders, "train")) == 5
    return list(report(folders)["left_out"])


def test_a_missing_photo_is_left_out_and_named(s3: Any, folders: ProcessingFolders) -> None:
    (item,) = left_out(s3, folders, line("gone.jpg"))
    assert item == {"photo": "s3://loop/images/gone.jpg", "reason": "The photo can't be fetched: NoSuchKey."}


@pytest.mark.parametrize("code", ["SlowDown", "InternalError"])
def test_an_s3_that_does_not_answer_fails_the_job(s3: Any, folders: ProcessingFolders, code: str) -> None:
    """The photo is as it was; the next run would miss it for no reason."""
    lines = five_good(s3)
    put_snapshot(s3, *lines)
    with pytest.raises(JobFailed, match=rf"S3 does not give s3://loop/images/c.jpg: .*{code}"):
        preprocess(Failing(s3, "images/c.jpg", code), SNAPSHOT, folders)


def test_a_forbidden_photo_is_left_out(s3: Any, folders: ProcessingFolders) -> None:
    put_snapshot(s3, *five_good(s3))
    preprocess(Failing(s3, "images/c.jpg", "AccessDenied"), SNAPSHOT, folders)
    (item,) = report(folders)["left_out"]
    assert item["reason"] == "The photo can't be fetched: AccessDenied."


@dataclass(frozen=True)
class Failing:
    """An S3 that refuses one object."""

    s3: Any
    key: str
    code: str

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803  # boto3's names
        if Key == self.key:
            raise ClientError({"Error": {"Code": self.code}}, "GetObject")
        return self.s3.get_object(Bucket=Bucket, Key=Key)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_truncated_photo_is_left_out(s3: Any, folders: ProcessingFolders, split: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    whole = put_photo(s3, "x.jpg", noise)
    s3.put_object(Bucket=BUCKET, Key="images/x.jpg", Body=whole[: len(whole) // 2])
    (item,) = left_out(s3, folders, line("x.jpg", split))
    assert item["photo"].endswith("x.jpg")


def test_a_photo_of_another_size_than_annotated_is_left_out(s3: Any, folders: ProcessingFolders) -> None:
    put_photo(s3, "x.jpg")
    (item,) = left_out(s3, folders, line("x.jpg", width_px=402))
    assert item["reason"] == "It was annotated with 402 x 300 pixels, but the photo has 400 x 300."


def test_a_photo_annotated_lying_on_its_side_is_left_out(s3: Any, folders: ProcessingFolders) -> None:
    put_photo(s3, "x.jpg", orientation=6)
    (item,) = left_out(s3, folders, line("x.jpg"))
    assert "400 x 300 pixels, but the photo has 300 x 400" in item["reason"]


def test_a_size_off_by_a_pixel_or_unknown_is_fine(s3: Any, folders: ProcessingFolders) -> None:
    put_photo(s3, "x.jpg")
    put_photo(s3, "y.jpg")
    run(s3, folders, line("x.jpg", width_px=401), line("y.jpg", width_px=None, height_px=None))
    assert len(photos(folders, "train")) == 2


def test_a_photo_with_a_broken_mask_is_left_out(s3: Any, folders: ProcessingFolders) -> None:
    put_photo(s3, "x.jpg")
    (item,) = left_out(s3, folders, line("x.jpg", regions=[region((0, 0, 9, 9), mask=square()[1]) | {"mask": "AAAA"}]))
    assert item["reason"] == "One of its masks can't be decoded."


def test_too_many_broken_photos_fail_the_job(s3: Any, folders: ProcessingFolders) -> None:
    put_snapshot(s3, *five_good(s3), line("gone.jpg"), line("lost.jpg"))
    with pytest.raises(JobFailed, match=r"2 of the snapshot's 7 photos can't be used. s3://loop/images/gone.jpg"):
        preprocess(s3, SNAPSHOT, folders)
    assert len(report(folders)["left_out"]) == 2


def test_nothing_to_learn_from_fails_the_job(s3: Any, folders: ProcessingFolders) -> None:
    put_photo(s3, "a.jpg")
    put_snapshot(s3, line("a.jpg", "test"))
    with pytest.raises(JobFailed, match="no photo to learn from"):
        preprocess(s3, SNAPSHOT, folders)


def test_a_folder_without_its_photos_is_refused(s3: Any, folders: ProcessingFolders) -> None:
    run(s3, folders, *five_good(s3))
    (folders.output("train") / "0003.jpg").unlink()
    with pytest.raises(DatasetInvalid, match=r"lacks 1 of its photos, such as 0003.jpg"):
        photos(folders, "train")


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match=r"photos.jsonl can't be read"):
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
