"""A snapshot: which photos are annotated, how, and what each is for. Written by sync, immutable.

`NAME.json` names the labels and the shards, `shards/SHA256.jsonl.gz` beside it hold one photo a line, sorted by photo.
All coordinates are pixels of the EXIF-upright photo at full size.
"""

import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from loc360.wire import Box
from training.errors import SnapshotInvalid

Split = Literal["train", "validation", "test"]
Kind = Literal["brush", "polygon", "rectangle", "keypoint"]
SPLITS: tuple[Split, ...] = get_args(Split)

_GARBLED = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Region:
    label: str | None
    kind: Kind
    box_px: Box
    mask: str | None
    """As `loc360.wire.mask_base64` makes it, cut to its content; None for rectangles and key points."""
    origin_px: tuple[int, int]
    """x, y of the mask's first pixel."""


@dataclass(frozen=True, slots=True)
class AnnotatedPhoto:
    url: str
    split: Split
    width_px: int | None
    """As the annotation has it."""
    height_px: int | None
    mm_per_px: float | None
    group: str | None
    regions: tuple[Region, ...]
    """None: looked, nothing there."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    name: str
    labels: tuple[str, ...]
    photos: tuple[AnnotatedPhoto, ...]
    """Sorted by url."""


def read_snapshot(s3: Any, url: str) -> Snapshot:
    """Read `s3://BUCKET/.../NAME.json` and its shards. Raises SnapshotInvalid."""
    about = _parsed(_body(s3, url), url)
    with_shards = f"{url.rsplit('/', 1)[0]}/shards"
    try:
        name, labels = _text(about["name"]), tuple(_text(label) for label in about["labels"])
        shards = sorted(_text(sha256) for sha256 in about["shards"].values())
    except _GARBLED as error:
        raise SnapshotInvalid(f"{url} is no snapshot: {error!r}.") from error
    photos = [photo for sha256 in shards for photo in _photos_of_shard(s3, f"{with_shards}/{sha256}.jsonl.gz")]
    if len({photo.url for photo in photos}) != len(photos):
        raise SnapshotInvalid(f"{url} has a photo twice.")
    return Snapshot(name, labels, tuple(sorted(photos, key=lambda photo: photo.url)))


def bucket_and_key(url: str) -> tuple[str, str]:
    """Of `s3://BUCKET/KEY`. Raises ValueError for anything else."""
    parts = urlsplit(url, allow_fragments=False)
    key = url.removeprefix(f"s3://{parts.netloc}/")  # a key may hold a question mark
    if parts.scheme != "s3" or not parts.netloc or not key or key == url:
        raise ValueError(f"not s3://BUCKET/KEY: {url!r}")
    return parts.netloc, key


def as_region(item: dict[str, Any]) -> Region:
    """As sync writes it, and `dataclasses.asdict`. Raises KeyError, TypeError or ValueError."""
    if item["kind"] not in get_args(Kind):
        raise ValueError(f"no kind of region: {item['kind']!r}")
    x, y = item["origin_px"]
    box = Box(*(_finite(edge) for edge in item["box_px"]))
    if box.x1 < box.x0 or box.y1 < box.y0:
        raise ValueError(f"no box: {item['box_px']}")
    label, mask = _optional(item["label"], _text), _optional(item["mask"], _text)
    return Region(label=label, kind=item["kind"], box_px=box, mask=mask, origin_px=(int(x), int(y)))


def _photos_of_shard(s3: Any, url: str) -> Iterator[AnnotatedPhoto]:
    body = _body(s3, url)
    if hashlib.sha256(body).hexdigest() not in url:
        raise SnapshotInvalid(f"{url} is damaged: its content has another hash.")
    try:
        lines = gzip.decompress(body).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise SnapshotInvalid(f"{url} is not gzipped: {error}.") from error
    for number, line in enumerate(lines, 1):
        try:
            yield _photo(json.loads(line))
        except _GARBLED as error:
            raise SnapshotInvalid(f"Line {number} of {url} is no photo: {error!r}.") from error


def _body(s3: Any, url: str) -> bytes:
    try:
        bucket, key = bucket_and_key(url)
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        raise SnapshotInvalid(f"{url} can't be read: {error}.") from error


def _parsed(body: bytes, url: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise SnapshotInvalid(f"{url} is not JSON: {error}.") from error


def _photo(line: dict[str, Any]) -> AnnotatedPhoto:
    bucket_and_key(line["photo"])
    if line["split"] not in SPLITS:
        raise ValueError(f"no split: {line['split']!r}")
    return AnnotatedPhoto(
        url=line["photo"],
        split=line["split"],
        width_px=_optional(line["width_px"], int),
        height_px=_optional(line["height_px"], int),
        mm_per_px=_optional(line["mm_per_px"], _scale),
        group=_optional(line["group"], _text),
        regions=tuple(as_region(item) for item in line["regions"]),
    )


def _optional(value: Any, read: Callable[[Any], Any]) -> Any:
    return None if value is None else read(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"no text: {value!r}")
    return value


def _finite(value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"not finite: {value!r}")
    return number


def _scale(value: Any) -> float:
    if (scale := _finite(value)) <= 0:
        raise ValueError(f"not above 0: {value!r}")
    return scale
