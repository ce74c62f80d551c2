"""Snapshots and photos in S3 as sync and annotators leave them."""

import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import boto3
import cv2
import numpy as np
from moto import mock_aws
from PIL import Image as Pillow

from loc360.wire import Box, Image, Mask, mask_base64

BUCKET = "loop"
SNAPSHOT = f"s3://{BUCKET}/snapshots/first.json"


@contextmanager
def moto_s3() -> Iterator[Any]:
    """A client of an S3 in this process, with the bucket."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield s3


def emptied(s3: Any, prefix: str = "") -> Any:
    for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    return s3


def region(
    box: Sequence[float], label: str | None = "carrot", *, mask: Mask | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "id": "r",
        "label": label,
        "kind": "rectangle" if mask is None else "brush",
        "box_px": list(box),
        "mask": None if mask is None else mask_base64(mask),
        "origin_px": [int(box[0]), int(box[1])],
        **more,
    }


def line(name: str, split: str = "train", regions: Sequence[Mapping[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """Of a 400 x 300 photo."""
    return {
        "photo": f"s3://{BUCKET}/images/{name}",
        "etag": "e",
        "width_px": 400,
        "height_px": 300,
        "mm_per_px": 0.5,
        "group": None,
        "split": split,
        "project_id": 1,
        "task_id": 1,
        "annotation_id": 1,
        "regions": list(regions),
        **more,
    }


def put_snapshot(s3: Any, *lines: Mapping[str, Any], url: str = SNAPSHOT) -> str:
    """In two shards. Returns its url."""
    shards = {"00": lines[::2], "01": lines[1::2]}
    named = {shard: _put_shard(s3, content) for shard, content in shards.items() if content}
    about = {"name": "first", "created_at": "2026-01-01T00:00:00Z", "labels": ["carrot", "tomato"], "shards": named}
    s3.put_object(Bucket=BUCKET, Key=url.removeprefix(f"s3://{BUCKET}/"), Body=json.dumps(about).encode())
    return url


def put_photo(s3: Any, name: str, image: Image | None = None, *, orientation: int = 1, kind: str = "JPEG") -> bytes:
    """A 400 x 300 one if no image is given, which looks like no other name's. Returns the file."""
    picture = Pillow.fromarray(pattern(crc32(name.encode())) if image is None else image)
    exif, file = Pillow.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    picture.save(file, kind, exif=exif)
    s3.put_object(Bucket=BUCKET, Key=f"images/{name}", Body=file.getvalue())
    return file.getvalue()


def pattern(seed: int, width_px: int = 400, height_px: int = 300) -> Image:
    """A photo that looks like no other seed's."""
    coarse = np.random.default_rng(seed).integers(20, 236, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC), np.uint8)


def square(side: int = 20) -> tuple[Box, Mask]:
    """A filled square at 100, 50, with its box."""
    return Box(100, 50, 100 + side, 50 + side), np.ones((side, side), np.bool_)


def _put_shard(s3: Any, lines: Sequence[Mapping[str, Any]]) -> str:
    body = gzip.compress("".join(json.dumps(item) + "\n" for item in lines).encode(), mtime=0)
    name = hashlib.sha256(body).hexdigest()
    s3.put_object(Bucket=BUCKET, Key=f"snapshots/shards/{name}.jsonl.gz", Body=body)
    return name
