"""What is kept on disk: bounded, private, whole or not there, and never in the way."""

import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from phenoloop.chain.disk_cache import DiskCache
from phenoloop.chain.images import ImageStore
from phenoloop.chain.photo_cache import PhotoCache
from phenoloop.chain.reply_cache import ReplyCache
from phenoloop.errors import ImageMissing, ImageRefused, SettingsInvalid
from tests.unit.fake_models import client_error

MANY = 10**6


def put(cache: DiskCache, name: str, body: bytes) -> None:
    with cache.written(name) as file:
        file.write(body)


def got(cache: DiskCache, name: str) -> bytes | None:
    if (file := cache.opened(name)) is None:
        return None
    with file:
        return file.read()


def test_what_was_written_is_there_for_another_process_too(tmp_path: Path) -> None:
    put(DiskCache(tmp_path / "c", MANY), "a", b"body")

    assert got(DiskCache(tmp_path / "c", MANY), "a") == b"body"
    assert got(DiskCache(tmp_path / "c", MANY), "b") is None


def test_parts_of_a_name_are_told_apart(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", MANY)
    with cache.written("a", "bc") as file:
        file.write(b"1")

    assert cache.opened("ab", "c") is None


def test_a_write_that_fails_leaves_what_was_there_and_no_rest(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", MANY)
    put(cache, "a", b"before")

    def breaks() -> None:
        with cache.written("a") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()

    assert got(cache, "a") == b"before"
    assert len(list((tmp_path / "c").iterdir())) == 1


def test_what_was_not_used_for_longest_goes_first_and_the_bound_is_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 1000)
    for number in range(10):
        put(cache, str(number), bytes(100))
        os.utime(cache._path((str(number),)), ns=(number, number))
    assert got(cache, "0") is not None  # used just now

    for number in range(10, 14):
        put(cache, str(number), bytes(100))

    assert sum(file.stat().st_size for file in (tmp_path / "c").iterdir()) <= 1000
    assert got(cache, "0") is not None
    assert got(cache, "1") is None


def test_what_is_being_read_stays_readable_though_it_is_swept_away(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 100)
    put(cache, "a", b"body")
    file = cache.opened("a")
    put(cache, "b", bytes(100))

    assert got(cache, "a") is None
    assert file is not None
    with file:
        assert file.read() == b"body"


def test_what_a_killed_process_left_unfinished_is_swept_away_when_it_is_old(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", MANY)
    old, new = (tmp_path / "c" / f".unfinished-{name}" for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))

    put(cache, "a", b"body")

    assert not old.exists()
    assert new.exists()


def test_the_folder_is_private_and_one_that_is_not_is_refused(tmp_path: Path) -> None:
    DiskCache(tmp_path / "c", MANY)
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700

    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(SettingsInvalid, match="chmod"):
        DiskCache(tmp_path / "open", MANY)
    (tmp_path / "file").touch()
    with pytest.raises(SettingsInvalid):
        DiskCache(tmp_path / "file", MANY)


def test_many_writers_of_one_name_leave_one_whole_file(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", MANY)
    bodies = [bytes([number]) * 5000 for number in range(20)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda body: put(cache, "a", body), bodies))

    assert got(cache, "a") in bodies


# Photos


class OneObject:
    """An S3 that holds one object, or none, and counts how often it is asked what."""

    def __init__(self) -> None:
        self.body: bytes | None = b"photo"
        self.etag, self.metadata = "etag-1", {"mm-per-px": "0.5"}
        self.asked: list[str] = []

    def get_object(self, **_: Any) -> dict[str, Any]:
        return {**self._facts("get", "NoSuchKey"), "Body": io.BytesIO(self.body or b"")}

    def head_object(self, **_: Any) -> dict[str, Any]:
        return self._facts("head", "404")

    def _facts(self, asked: str, absent: str) -> dict[str, Any]:
        self.asked.append(asked)
        if self.body is None:
            raise client_error(absent, 404)
        return {"ETag": f'"{self.etag}"', "ContentLength": len(self.body), "Metadata": self.metadata}


@pytest.fixture
def s3() -> OneObject:
    return OneObject()


def store(s3: OneObject, folder: Path) -> ImageStore:
    return ImageStore(s3, {"loop"}, 1000, cache=PhotoCache(DiskCache(folder / "photos", MANY)))  # type: ignore[arg-type]


def photo(images: ImageStore) -> tuple[bytes, str, float | None]:
    with images.fetch("s3://loop/1.jpg") as image:
        return image.path.read_bytes(), image.etag, image.mm_per_px


def test_a_photo_that_did_not_change_is_sent_once(s3: OneObject, tmp_path: Path) -> None:
    first = photo(store(s3, tmp_path))

    assert photo(store(s3, tmp_path)) == first == (b"photo", "etag-1", 0.5)
    assert s3.asked == ["get", "head"]


def test_a_photo_that_changed_is_sent_again(s3: OneObject, tmp_path: Path) -> None:
    photo(store(s3, tmp_path))
    s3.body, s3.etag = b"another", "etag-2"

    assert photo(store(s3, tmp_path)) == (b"another", "etag-2", 0.5)


def test_metadata_that_changed_under_the_same_bytes_is_heard_of(s3: OneObject, tmp_path: Path) -> None:
    photo(store(s3, tmp_path))
    s3.metadata = {"mm-per-px": "0.25"}

    assert photo(store(s3, tmp_path)) == (b"photo", "etag-1", 0.25)


def test_a_photo_that_is_gone_is_not_served_from_the_cache(s3: OneObject, tmp_path: Path) -> None:
    photo(store(s3, tmp_path))
    s3.body = None

    with pytest.raises(ImageMissing):
        photo(store(s3, tmp_path))


def test_a_bucket_that_is_not_allowed_any_more_is_refused_though_the_photo_is_kept(
    s3: OneObject, tmp_path: Path
) -> None:
    photo(store(s3, tmp_path))
    other = ImageStore(s3, {"other"}, 1000, cache=PhotoCache(DiskCache(tmp_path / "photos", MANY)))  # type: ignore[arg-type]

    with pytest.raises(ImageRefused):
        photo(other)


def test_a_torn_photo_is_fetched_again(s3: OneObject, tmp_path: Path) -> None:
    photo(store(s3, tmp_path))
    for file in (tmp_path / "photos").iterdir():
        if file.read_bytes() == b"photo":
            file.write_bytes(b"pho")

    assert photo(store(s3, tmp_path))[0] == b"photo"


def test_a_disk_that_takes_no_more_costs_nobody_a_photo(s3: OneObject, tmp_path: Path) -> None:
    images = store(s3, tmp_path)
    (tmp_path / "photos").rmdir()

    assert photo(images)[0] == b"photo"


# Replies


def test_a_reply_is_known_by_its_release_and_photo(tmp_path: Path) -> None:
    replies, file = ReplyCache(DiskCache(tmp_path / "r", MANY)), tmp_path / "1.jpg"
    file.write_bytes(b"photo")
    replies.keep("release-1", "etag-1", file, "rødgrød")

    assert replies.known("release-1", "etag-1", file) == "rødgrød"
    assert replies.known("release-2", "etag-1", file) is None
    assert replies.known("release-1", "etag-2", file) is None
    file.write_bytes(b"another photo")
    assert replies.known("release-1", "etag-1", file) is None


def test_a_reply_that_is_torn_is_not_known(tmp_path: Path) -> None:
    replies, file = ReplyCache(DiskCache(tmp_path / "r", MANY)), tmp_path / "1.jpg"
    file.write_bytes(b"photo")
    replies.keep("release-1", "etag-1", file, "reply")
    (kept,) = (tmp_path / "r").iterdir()

    for torn in (b"", kept.read_bytes()[:-1], b"x" + kept.read_bytes()[1:]):
        kept.write_bytes(torn)
        assert replies.known("release-1", "etag-1", file) is None
