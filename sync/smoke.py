"""The last look before a chain goes live: one photo through its endpoints, from the first call to the metrics."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from loc360.errors import Loc360Error, PhotoUnreadable
from loc360.photo import read_photo_scaled
from phenoloop.chain.chain import flow_of
from phenoloop.chain.flow import Invoker
from phenoloop.chain.images import ImageStore
from phenoloop.chain.release import Release
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, ImageMissing, ImageRefused, PhenoloopError, SmokeTestFailed

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

LOOKED_AT = 20
"""Photos that may be broken before noise has to do."""


def smoke_test(release: Release, photo: Path, endpoints: Invoker) -> int:
    """Run the photo through the release; how many objects it finds.

    Raises SmokeTestFailed if the chain refuses or garbles something, and what may pass as it comes (retryable).
    """
    try:
        metrics = flow_of(release).run(str(photo), {"manifest": release.manifest}, endpoints)
        return int(metrics["count"])
    except (Loc360Error, PhenoloopError) as error:
        if isinstance(error, PhenoloopError) and error.retryable:
            raise
        raise SmokeTestFailed("The new chain fails on a photo.", reason=str(error), release=release.name) from error


@contextmanager
def any_photo(s3: S3Client, images: ImageStore, bucket: str, prefix: str) -> Iterator[Path]:
    """A sound photo of the bucket while the `with` block lasts; noise if there is none. Raises StorageUnavailable."""
    with s3_errors(BucketMissing, bucket=bucket):
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=LOOKED_AT).get("Contents", [])
    with ExitStack() as kept:
        for item in listed:
            try:
                image = kept.enter_context(images.fetch(f"s3://{bucket}/{item['Key']}"))
                read_photo_scaled(str(image.path), 256)
            except (ImageMissing, ImageRefused, PhotoUnreadable):
                continue
            yield image.path
            return
        noise = kept.enter_context(tempfile.NamedTemporaryFile(suffix=".png"))
        pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
        Image.fromarray(pixels).save(noise.name)
        yield Path(noise.name)
