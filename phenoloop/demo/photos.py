"""The demo's photos: the user's own, or generated ones. Ground truth of generated photos stays out of S3."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from phenoloop.chain.s3_errors import s3_errors
from phenoloop.demo.scenes.files import save_scene
from phenoloop.demo.scenes.scene import render_mixture
from phenoloop.errors import BucketMissing, SettingsInvalid
from phenoloop.importing.photos import SUFFIXES

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

FIRST_SEED = 201
"""Of the first twenty photos from here on, the hash of their names leaves eight for the test split."""


def upload_own_photos(s3: S3Client, bucket: str, prefix: str, folder: Path) -> int:
    """Upload the photos of `folder` (and below), those that are not there yet; how many there are.

    Raises SettingsInvalid if there are none, BucketMissing, StorageUnavailable.
    """
    photos = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not photos:
        raise SettingsInvalid("The folder holds no photos.", cure=f"Known: {', '.join(SUFFIXES)}.", folder=folder)
    there = _keys(s3, bucket, prefix)
    for photo in photos:
        key = prefix + photo.relative_to(folder).as_posix()
        if key not in there:
            _upload(s3, bucket, key, photo, metadata={})
    return len(photos)


def upload_generated_photos(
    s3: S3Client, bucket: str, prefix: str, folder: Path, count: int, *, on_photo: Callable[[int], None]
) -> None:
    """Render `count` scenes into `folder` and upload them with their scale; done ones are kept.

    `on_photo` hears how many are done. Raises BucketMissing, StorageUnavailable.
    """
    there = _keys(s3, bucket, prefix)
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    missing = [seed for seed in seeds if f"{prefix}scene_{seed:06d}.jpg" not in there]
    on_photo(count - len(missing))
    # spawned, so that they share neither our signal handlers nor the folder's lock
    pool = ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_leave_interrupts_to_parent)
    try:
        rendered = pool.map(partial(_render, folder), missing)
        for done, (photo, mm_per_px) in enumerate(rendered, start=count - len(missing) + 1):
            _upload(s3, bucket, prefix + photo.name, photo, metadata={"mm-per-px": f"{mm_per_px:.5f}"})
            on_photo(done)
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _render(folder: Path, seed: int) -> tuple[Path, float]:
    scene = render_mixture(seed)
    return save_scene(scene, folder), scene.mm_per_px


def _keys(s3: S3Client, bucket: str, prefix: str) -> set[str]:
    with s3_errors(BucketMissing, bucket=bucket):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}


def _upload(s3: S3Client, bucket: str, key: str, photo: Path, *, metadata: dict[str, str]) -> None:
    body, content_type = photo.read_bytes(), SUFFIXES[photo.suffix.lower()]
    with s3_errors(BucketMissing, bucket=bucket, key=key):
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, Metadata=metadata)
