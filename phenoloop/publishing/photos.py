"""Photos of the bucket to check a module with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loc360.errors import PhotoUnreadable
from loc360.photo import read_photo_scaled
from phenoloop.chain.images import ImageStore
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, ImageMissing, ImageRefused

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

LOOKED_AT = 20
"""Objects, of which some may be broken."""


@contextmanager
def some_photos(s3: S3Client, images: ImageStore, bucket: str, prefix: str, *, count: int) -> Iterator[list[Path]]:
    """Sound photos of the bucket while the `with` block lasts, at most `count`.

    Raises ImageMissing if there is none, BucketMissing, StorageUnavailable.
    """
    with s3_errors(BucketMissing, bucket=bucket):
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=LOOKED_AT).get("Contents", [])
    with tempfile.TemporaryDirectory(prefix="loc360-photos-") as folder:
        found: list[Path] = []
        for item in listed:
            copy = Path(folder) / f"{len(found)}{Path(item['Key']).suffix}"  # that another process can open
            try:
                with images.fetch(f"s3://{bucket}/{item['Key']}") as image:
                    read_photo_scaled(str(image.path), 256)
                    shutil.copyfile(image.path, copy)
            except (ImageMissing, ImageRefused, PhotoUnreadable):
                continue
            found.append(copy)
            if len(found) == count:
                break
        if not found:
            cure = "Put a photo there: the module is checked with one before it is published."
            raise ImageMissing("There is no photo to check the module with.", cure=cure, bucket=bucket, prefix=prefix)
        yield found
