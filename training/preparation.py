"""One annotated photo: fetched, checked against its annotation, and put into the form of its split."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
from botocore.exceptions import BotoCoreError, ClientError

from loc360.errors import PhotoUnreadable, ReplyInvalid
from loc360.photo import photo_size, read_photo_scaled
from loc360.wire import Image, mask_from_base64
from training.dataset import LabelledObject, LabelledPhoto, scaled
from training.errors import JobFailed
from training.masks import PlacedMask, trimmed
from training.snapshot import AnnotatedPhoto, Region, Split, bucket_and_key

JPEG_QUALITY = 92
_GONE = frozenset({"NoSuchKey", "404", "AccessDenied", "403"})
"""S3's codes for an object that is missing or not for us; any other error may pass."""


@dataclass(frozen=True, slots=True)
class Prepared:
    photo: LabelledPhoto
    split: Split
    key_points: int
    """Dropped: they are prompts, and the objects have regions."""
    outside: int
    """Dropped: objects that show less than a pixel of the photo."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    photo: str
    reason: str
    broken: bool = True
    """False: nothing is wrong with it, it only can't be learnt from."""


class _Unusable(Exception):
    """Of one photo; the message is the reason."""

    broken = True


class _Incomplete(_Unusable):
    broken = False


def prepared(s3: Any, photo: AnnotatedPhoto, target: Path, *, side_px: int) -> Prepared | LeftOut:
    """Writes the photo's file, named `target` with an ending. Raises JobFailed if S3 does not answer."""
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder) / "photo"
        try:
            original.write_bytes(_fetched(s3, photo.url))
            image = read_photo_scaled(str(original), side_px)  # decodes, so a truncated photo shows here
            truth = _truth(photo, *_checked_size(photo, original))
        except (_Unusable, PhotoUnreadable) as error:
            return LeftOut(photo.url, str(error), broken=getattr(error, "broken", True))
        kept = scaled(truth, truth.width_px, truth.height_px)  # clips
        if photo.split == "test":
            file = target.with_suffix(_ending(photo.url))
            file.write_bytes(original.read_bytes())
            stored = kept
        else:
            file = target.with_suffix(".jpg")
            _write_jpeg(image, file)
            stored = scaled(kept, image.shape[1], image.shape[0])
    return Prepared(
        photo=replace(stored, file=file),
        split=photo.split,
        key_points=sum(region.kind == "keypoint" for region in photo.regions),
        outside=len(truth.objects) - len(stored.objects),
    )


def _fetched(s3: Any, url: str) -> bytes:
    bucket, key = bucket_and_key(url)
    try:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as error:
        code = error.response["Error"].get("Code", "unknown")
        if code in _GONE:
            raise _Unusable(f"The photo can't be fetched: {code}.") from error
        raise JobFailed(f"S3 does not give {url}: {error}") from error
    except BotoCoreError as error:
        raise JobFailed(f"S3 does not give {url}: {error}") from error


def _checked_size(photo: AnnotatedPhoto, original: Path) -> tuple[int, int]:
    """(width, height) of the upright photo, if the annotation was made on one of that size."""
    size = photo_size(str(original))
    stated = (photo.width_px, photo.height_px)
    if any(there is not None and abs(there - seen) > 1 for there, seen in zip(stated, size, strict=True)):
        raise _Unusable(
            f"It was annotated with {stated[0]} x {stated[1]} pixels, but the photo has {size[0]} x {size[1]}."
        )
    return size


def _truth(photo: AnnotatedPhoto, width_px: int, height_px: int) -> LabelledPhoto:
    regions = [region for region in photo.regions if region.kind != "keypoint"]
    alone = [point for point in photo.regions if point.kind == "keypoint" and not _in_any(point, regions)]
    if alone:
        raise _Incomplete(f"Key points in no other region: {len(alone)}. Their objects would be learnt as background.")
    objects = tuple(_labelled(region) for region in regions)
    return LabelledPhoto(Path(), photo.url, photo.group, width_px, height_px, photo.mm_per_px, objects)


def _in_any(point: Region, regions: Sequence[Region]) -> bool:
    x, y = point.box_px.x0, point.box_px.y0
    boxes = [region.box_px for region in regions]
    return any(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1 for box in boxes)


def _labelled(region: Region) -> LabelledObject:
    if region.mask is None:
        return LabelledObject(region.label, region.box_px, None)
    try:
        mask = trimmed(PlacedMask(mask_from_base64(region.mask), region.origin_px))
    except ReplyInvalid as error:
        raise _Unusable("One of its masks can't be decoded.") from error
    return LabelledObject(region.label, region.box_px, mask)


def _write_jpeg(image: Image, file: Path) -> None:
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise JobFailed(f"A photo could not be encoded (shape {image.shape}).")
    file.write_bytes(data.tobytes())


def _ending(url: str) -> str:
    ending = PurePosixPath(url).suffix.lower()
    return ending if ending[1:].isalnum() and ending.isascii() else ".photo"
