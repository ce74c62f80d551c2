"""What fetching decides: which photos are learnt from, which are tested on, and what of it is new."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image as Pillow

from tests.unit.training_runs import plan_of, run_fetch
from tests.unit.training_snapshots import (
    BUCKET,
    emptied,
    line,
    moto_s3,
    pattern,
    put_photo,
    put_snapshot,
    region,
    square,
)
from training.errors import JobFailed

OTHER = f"s3://{BUCKET}/snapshots/other.json"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with moto_s3() as s3:
        yield s3


@pytest.fixture
def s3(client: Any) -> Any:
    return emptied(client)


@dataclass
class Watched:
    """An S3 that notes which photos are fetched, and refuses one object."""

    s3: Any
    refuses: str = ""
    code: str = ""
    fetched: list[str] = field(default_factory=list)

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803  # boto3's names
        if Key.startswith("images/"):
            self.fetched.append(Key.removeprefix("images/"))
        return self.s3.get_object(Bucket=Bucket, Key=Key)

    def head_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        if Key == self.refuses:
            raise ClientError({"Error": {"Code": self.code}}, "HeadObject")
        return self.s3.head_object(Bucket=Bucket, Key=Key)

    def put_object(self, **asked: Any) -> Any:
        return self.s3.put_object(**asked)


def five_good(s3: Any) -> list[dict[str, Any]]:
    for name in "abcde":
        put_photo(s3, f"{name}.jpg")
    return [line(f"{name}.jpg") for name in "abcde"]


def left_out(s3: Any, base: Path, *lines: dict[str, Any]) -> list[dict[str, Any]]:
    put_snapshot(s3, *five_good(s3), *lines)
    report = run_fetch(s3, base)
    assert report["photos"]["train"] == 5
    return list(report["left_out"])


def planned(base: Path) -> dict[str, dict[str, Any]]:
    return {item["url"].rpartition("/")[2]: item for part in plan_of(base) for item in part}


# What is fetched


def test_a_photo_is_fetched_once_for_all_runs(s3: Any, tmp_path: Path) -> None:
    put_snapshot(s3, *five_good(s3))
    first, second = Watched(s3), Watched(s3)
    assert run_fetch(first, tmp_path)["newly_fetched"] == 5
    before = plan_of(tmp_path)
    assert run_fetch(second, tmp_path)["newly_fetched"] == 0
    assert (sorted(first.fetched), second.fetched) == (["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"], [])
    assert plan_of(tmp_path) == before


def test_only_what_is_new_or_changed_is_fetched(s3: Any, tmp_path: Path) -> None:
    lines = five_good(s3)
    put_snapshot(s3, *lines)
    run_fetch(s3, tmp_path)
    put_photo(s3, "b.jpg", pattern(77))
    put_photo(s3, "f.jpg")
    put_snapshot(s3, *lines, line("f.jpg"))
    watched = Watched(s3)
    run_fetch(watched, tmp_path)
    assert sorted(watched.fetched) == ["b.jpg", "f.jpg"]


def test_another_side_is_another_photo(s3: Any, tmp_path: Path) -> None:
    put_snapshot(s3, *five_good(s3))
    run_fetch(s3, tmp_path)
    assert run_fetch(s3, tmp_path, side_px=200)["newly_fetched"] == 5


def test_the_photo_is_kept_upright_and_scaled_down(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "a.jpg", orientation=6)
    put_snapshot(s3, line("a.jpg", width_px=300, height_px=400))
    run_fetch(s3, tmp_path, side_px=200)
    item = planned(tmp_path)["a.jpg"]
    body = s3.get_object(Bucket=BUCKET, Key=item["cached"].removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    assert Pillow.open(io.BytesIO(body)).size == (150, 200)
    assert (item["width_px"], item["height_px"]) == (300, 400)


# What is left out


def test_a_missing_photo_is_left_out_and_named(s3: Any, tmp_path: Path) -> None:
    (item,) = left_out(s3, tmp_path, line("gone.jpg"))
    assert (item["photo"], item["broken"]) == ("s3://loop/images/gone.jpg", True)
    assert item["reason"] == "The photo can't be fetched: NoSuchKey."


@pytest.mark.parametrize("code", ["SlowDown", "InternalError"])
def test_an_s3_that_does_not_answer_fails_the_job(s3: Any, tmp_path: Path, code: str) -> None:
    """The photo is as it was; the next run would miss it for no reason."""
    put_snapshot(s3, *five_good(s3))
    with pytest.raises(JobFailed, match=rf"S3 does not give s3://loop/images/c.jpg: .*{code}"):
        run_fetch(Watched(s3, "images/c.jpg", code), tmp_path)


def test_a_forbidden_photo_is_left_out(s3: Any, tmp_path: Path) -> None:
    put_snapshot(s3, *five_good(s3))
    (item,) = run_fetch(Watched(s3, "images/c.jpg", "403"), tmp_path)["left_out"]
    assert item["reason"] == "The photo can't be fetched: AccessDenied."


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_truncated_photo_is_left_out(s3: Any, tmp_path: Path, split: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    whole = put_photo(s3, "x.jpg", noise)
    s3.put_object(Bucket=BUCKET, Key="images/x.jpg", Body=whole[: len(whole) // 2])
    (item,) = left_out(s3, tmp_path, line("x.jpg", split))
    assert item["photo"].endswith("x.jpg")


def test_a_photo_of_another_size_than_annotated_is_left_out(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "x.jpg")
    (item,) = left_out(s3, tmp_path, line("x.jpg", width_px=402))
    assert item["reason"] == "It was annotated with 402 x 300 pixels, but the photo has 400 x 300."


def test_a_photo_annotated_lying_on_its_side_is_left_out(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "x.jpg", orientation=6)
    (item,) = left_out(s3, tmp_path, line("x.jpg"))
    assert "400 x 300 pixels, but the photo has 300 x 400" in item["reason"]


def test_a_size_off_by_a_pixel_or_unknown_is_fine(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "x.jpg")
    put_photo(s3, "y.jpg")
    put_snapshot(s3, line("x.jpg", width_px=401), line("y.jpg", width_px=None, height_px=None))
    assert run_fetch(s3, tmp_path)["photos"]["train"] == 2


def test_an_object_whose_mask_is_broken_keeps_its_box(s3: Any, tmp_path: Path) -> None:
    """Left out, it would be learnt as background; and the photo's other objects are fine."""
    put_photo(s3, "x.jpg")
    box, mask = square()
    broken = region((0, 0, 9, 9), mask=mask) | {"mask": "AAAA"}
    put_snapshot(s3, *five_good(s3), line("x.jpg", regions=[broken, region(box, mask=mask)]))
    report = run_fetch(s3, tmp_path)
    assert report["masks_lost"] == [{"photo": "s3://loop/images/x.jpg", "masks": 1}]
    assert (report["regions"]["train"], report["masks"]["train"], report["left_out"]) == (2, 1, [])
    assert [item["mask"] is None for item in planned(tmp_path)["x.jpg"]["regions"]] == [True, False]


def test_a_photo_with_a_key_point_outside_all_regions_is_left_out(s3: Any, tmp_path: Path) -> None:
    """Its object would be learnt as background."""
    put_photo(s3, "x.jpg")
    point = region((99, 99, 99, 99), kind="keypoint")
    (item,) = left_out(s3, tmp_path, line("x.jpg", regions=[point, region((0, 0, 30, 30))]))
    assert item["reason"] == "Key points in no other region: 1. Their objects would be learnt as background."


def test_photos_with_key_points_alone_are_no_broken_photos(s3: Any, tmp_path: Path) -> None:
    points = [line(f"{name}.jpg", regions=[region((9, 9, 9, 9), kind="keypoint")]) for name in "xyz"]
    for name in "xyz":
        put_photo(s3, f"{name}.jpg")
    assert len(left_out(s3, tmp_path, *points)) == 3


def test_key_points_are_dropped_and_counted(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "a.jpg")
    put_snapshot(s3, line("a.jpg", regions=[region((9, 9, 9, 9), kind="keypoint"), region((0, 0, 30, 30))]))
    report = run_fetch(s3, tmp_path)
    assert (report["key_points"], report["regions"]["train"]) == (1, 1)


def test_too_many_broken_photos_fail_the_job(s3: Any, tmp_path: Path) -> None:
    put_snapshot(s3, *five_good(s3), line("gone.jpg"), line("lost.jpg"))
    with pytest.raises(JobFailed, match=r"2 of 7 photos can't be used. s3://loop/images/gone.jpg"):
        run_fetch(s3, tmp_path)
    assert run_fetch(s3, tmp_path, broken_share=0.5)["photos"]["train"] == 5


def test_nothing_to_learn_from_fails_the_job(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "a.jpg")
    put_snapshot(s3, line("a.jpg", "test"))
    with pytest.raises(JobFailed, match="no photo to learn from: annotate more"):
        run_fetch(s3, tmp_path)


@pytest.mark.parametrize("asked", [{"side_px": 0}, {"parts": 0}, {"broken_share": 1.1}, {"cache_url": "folder"}])
def test_what_makes_no_sense_is_refused(s3: Any, tmp_path: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(JobFailed, match="--"):
        run_fetch(s3, tmp_path, **asked)


# What is tested on


def test_a_photo_to_learn_from_that_looks_like_a_test_photo_is_left_out(s3: Any, tmp_path: Path) -> None:
    """Saved anew under another name, in another group."""
    shown = pattern(5)
    put_photo(s3, "t.jpg", shown)
    put_photo(s3, "x.png", shown, kind="PNG")
    put_snapshot(s3, *five_good(s3), line("t.jpg", "test", group="plot 1"), line("x.png", group="plot 2"))
    report = run_fetch(s3, tmp_path)
    (leak,) = report["leaks"]
    assert (leak["photo"], leak["test_photo"]) == ("s3://loop/images/x.png", "s3://loop/images/t.jpg")
    assert report["photos"] == {"train": 5, "validation": 0, "test": 1}
    assert "x.png" not in planned(tmp_path)


def test_other_test_photos_replace_the_snapshots_own(s3: Any, tmp_path: Path) -> None:
    for name in "tuv":
        put_photo(s3, f"{name}.jpg")
    put_snapshot(s3, line("u.jpg"), line("v.jpg", "validation"), url=OTHER)
    put_snapshot(s3, *five_good(s3), line("t.jpg", "test"))
    report = run_fetch(s3, tmp_path, test_data=OTHER)
    assert report["photos"] == {"train": 5, "validation": 0, "test": 2}
    assert "t.jpg" not in planned(tmp_path)
    assert planned(tmp_path)["v.jpg"]["split"] == "test"


def test_what_another_snapshot_tests_on_is_not_learnt(s3: Any, tmp_path: Path) -> None:
    put_photo(s3, "u.jpg")
    lines = five_good(s3)
    put_snapshot(s3, line("a.jpg"), line("u.jpg", group="plot 1"), url=OTHER)
    put_snapshot(s3, *lines[:4], lines[4] | {"group": "plot 1"})
    report = run_fetch(s3, tmp_path, test_data=OTHER)
    assert [(leak["photo"][-5:], leak["why"]) for leak in report["leaks"]] == [
        ("a.jpg", "It is a test photo too."),
        ("e.jpg", "Its group 'plot 1' is tested on."),
    ]
    assert report["photos"] == {"train": 3, "validation": 0, "test": 2}


# The plan


def test_parts_are_as_large_as_each_other_and_each_split_is_spread(s3: Any, tmp_path: Path) -> None:
    splits = ["train"] * 6 + ["test"] * 3
    for number in range(len(splits)):
        put_photo(s3, f"{number}.jpg")
    one_group = [None if split == "test" else "one" for split in splits]
    numbered = enumerate(zip(splits, one_group, strict=True))
    put_snapshot(s3, *(line(f"{number}.jpg", split, group=group) for number, (split, group) in numbered))
    run_fetch(s3, tmp_path, parts=3)
    assert [sorted(item["split"] for item in part) for part in plan_of(tmp_path)] == [["test", "train", "train"]] * 3


def test_each_instance_finds_a_part_even_if_there_are_fewer_photos(s3: Any, tmp_path: Path) -> None:
    put_snapshot(s3, *five_good(s3))
    run_fetch(s3, tmp_path, parts=8)
    assert [len(part) for part in plan_of(tmp_path)] == [1, 1, 1, 1, 1, 0, 0, 0]
