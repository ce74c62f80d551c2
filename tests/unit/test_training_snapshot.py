"""A snapshot is read as sync writes it, and anything else is refused."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loc360.wire import Box, mask_from_base64
from tests.unit.training_snapshots import BUCKET, SNAPSHOT, emptied, line, moto_s3, put_snapshot, region, square
from training.data.snapshot import AnnotatedPhoto, read_snapshot
from training.errors import SnapshotInvalid


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with moto_s3() as s3:
        yield s3


@pytest.fixture
def s3(client: Any) -> Any:
    return emptied(client)


def only_photo(s3: Any, **more: Any) -> AnnotatedPhoto:
    (photo,) = read_snapshot(s3, put_snapshot(s3, line("a.jpg", **more))).photos
    return photo


def test_photos_of_all_shards_come_sorted(s3: Any) -> None:
    snapshot = read_snapshot(s3, put_snapshot(s3, line("b.jpg"), line("a.jpg", "test"), line("c.jpg", "validation")))
    assert (snapshot.name, snapshot.labels) == ("first", ("carrot", "tomato"))
    assert [(photo.url[-5:], photo.split) for photo in snapshot.photos] == [
        ("a.jpg", "test"),
        ("b.jpg", "train"),
        ("c.jpg", "validation"),
    ]


def test_a_region_has_its_box_label_and_mask(s3: Any) -> None:
    box, mask = square()
    (read,) = only_photo(s3, regions=[region(box, mask=mask)]).regions
    assert (read.box_px, read.label, read.kind, read.origin_px) == (Box(100, 50, 120, 70), "carrot", "brush", (100, 50))
    assert read.mask is not None
    assert np.array_equal(mask_from_base64(read.mask), mask)


def test_a_photo_without_regions_is_a_photo(s3: Any) -> None:
    assert only_photo(s3).regions == ()


def test_what_is_not_known_is_none(s3: Any) -> None:
    photo = only_photo(s3, width_px=None, height_px=None, mm_per_px=None, regions=[region((0, 0, 9, 9), None)])
    assert photo.width_px is photo.height_px is photo.mm_per_px is photo.regions[0].label is None


def test_a_key_may_hold_what_a_url_could_not(s3: Any) -> None:
    assert only_photo(s3, photo=f"s3://{BUCKET}/images/a b?#.jpg").url.endswith("a b?#.jpg")


@pytest.mark.parametrize(
    "change",
    [
        {"photo": "https://example.org/a.jpg"},
        {"photo": None},
        {"split": "holiday"},
        {"mm_per_px": 0},
        {"mm_per_px": float("nan")},
        {"width_px": "wide"},
        {"regions": None},
        {"regions": [region((9, 0, 0, 9))]},
        {"regions": [region((0, 0, 9))]},
        {"regions": [region((0, 0, 9, 9), kind="ellipse")]},
        {"regions": [region((0, 0, 9, 9), mask=np.ones((9, 9), np.bool_), origin_px=[1])]},
        {"regions": [region((0, 0, 9, 9), label=7)]},
    ],
)
def test_a_garbled_line_is_refused_by_its_number(s3: Any, change: dict[str, Any]) -> None:
    put_snapshot(s3, line("a.jpg"), line("b.jpg"), line("c.jpg") | change)
    with pytest.raises(SnapshotInvalid, match=r"Line 2 of s3://loop/snapshots/shards/\w+.jsonl.gz is no photo"):
        read_snapshot(s3, SNAPSHOT)


def test_a_missing_snapshot_is_refused(s3: Any) -> None:
    with pytest.raises(SnapshotInvalid, match=r"first.json can't be read.*NoSuchKey"):
        read_snapshot(s3, SNAPSHOT)


def test_a_missing_shard_is_refused(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="snapshots/first.json", Body=json.dumps(about(shards={"00": "0" * 64})).encode())
    with pytest.raises(SnapshotInvalid, match=r"shards/0+.jsonl.gz can't be read"):
        read_snapshot(s3, SNAPSHOT)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"name": "x", "labels": [1], "shards": {}}'])
def test_a_snapshot_of_another_form_is_refused(s3: Any, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key="snapshots/first.json", Body=body)
    with pytest.raises(SnapshotInvalid):
        read_snapshot(s3, SNAPSHOT)


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"{}", mtime=0)[:-6]], ids=["plain", "cut off"])
def test_a_shard_that_is_not_gzipped_is_refused(s3: Any, body: bytes) -> None:
    sha256 = hashlib.sha256(body).hexdigest()
    s3.put_object(Bucket=BUCKET, Key=f"snapshots/shards/{sha256}.jsonl.gz", Body=body)
    s3.put_object(Bucket=BUCKET, Key="snapshots/first.json", Body=json.dumps(about(shards={"00": sha256})).encode())
    with pytest.raises(SnapshotInvalid, match="gzip"):
        read_snapshot(s3, SNAPSHOT)


def test_a_shard_of_other_content_than_its_name_says_is_refused(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"snapshots/shards/{'0' * 64}.jsonl.gz", Body=gzip.compress(b""))
    s3.put_object(Bucket=BUCKET, Key="snapshots/first.json", Body=json.dumps(about(shards={"00": "0" * 64})).encode())
    with pytest.raises(SnapshotInvalid, match="damaged"):
        read_snapshot(s3, SNAPSHOT)


def test_a_photo_twice_is_refused(s3: Any) -> None:
    with pytest.raises(SnapshotInvalid, match="twice"):
        read_snapshot(s3, put_snapshot(s3, line("a.jpg"), line("a.jpg")))


def about(**more: Any) -> dict[str, Any]:
    return {"name": "first", "labels": [], "shards": {}, **more}
