from pathlib import Path
from typing import Any

import pytest

from loc360.wire import Box
from phenoloop.chain.images import ImageStore
from phenoloop.errors import ImageMissing
from phenoloop.publishing.photos import some_photos
from tests.unit.fake_models import Painted, paint, save


def test_sound_photos_are_taken_and_broken_ones_passed_over(s3: Any, bucket: str, tmp_path: Path) -> None:
    photo = Path(save(paint(60, 40, [Painted("tomato", Box(5, 5, 20, 20))]), tmp_path / "photo.png")).read_bytes()
    for name, body in {"a.txt": b"words", "b.png": photo[:40], "c.png": photo, "d.png": photo, "e.png": photo}.items():
        s3.put_object(Bucket=bucket, Key=f"images/{name}", Body=body)

    with some_photos(s3, ImageStore(s3, {bucket}, 10**8), bucket, "images/", count=2) as photos:
        assert [path.read_bytes() for path in photos] == [photo, photo]
    assert not any(path.exists() for path in photos)


def test_without_a_photo_there_is_nothing_to_check_with(s3: Any, bucket: str) -> None:
    with (
        pytest.raises(ImageMissing, match="Put a photo there"),
        some_photos(s3, ImageStore(s3, {bucket}, 10**8), bucket, "images/", count=2),
    ):
        pass
