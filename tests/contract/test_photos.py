"""Photos reach the bucket once, under their own names."""

from pathlib import Path
from typing import Any

import pytest

from phenoloop.demo.photos import upload_own_photos
from phenoloop.errors import SettingsInvalid


def test_own_photos_are_uploaded_with_their_folders_and_only_once(s3: Any, bucket: str, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "plot-1").mkdir(parents=True)
    (photos / "plot-1" / "a.JPG").write_bytes(b"first")
    (photos / "notes.txt").write_text("not a photo")
    assert upload_own_photos(s3, bucket, "images/", photos) == 1
    (photos / "plot-1" / "a.JPG").write_bytes(b"changed")
    upload_own_photos(s3, bucket, "images/", photos)
    assert s3.get_object(Bucket=bucket, Key="images/plot-1/a.JPG")["Body"].read() == b"first"


def test_a_folder_without_photos_is_refused_by_name(s3: Any, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"\.jpg"):
        upload_own_photos(s3, bucket, "images/", tmp_path)
