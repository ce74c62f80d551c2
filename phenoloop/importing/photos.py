"""The photos of a data set: in a folder here, to be uploaded, or in S3 already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from loc360.errors import PhotoUnreadable
from loc360.photo import photo_size
from phenoloop.chain.images import ImageStore
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, ImageMissing, ImageRefused
from phenoloop.importing.coco import CocoImage
from phenoloop.importing.outcome import Unimportable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SUFFIXES: Mapping[str, str] = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
}
"""Photos that Label Studio shows, and their content types."""


class Photos(Protocol):
    def url(self, image: CocoImage) -> str:
        """`s3://...`, where the photo is or will be."""

    def check(self, image: CocoImage) -> None:
        """Raises Unimportable if it is missing, unreadable or not of the size that the data set says."""

    def put(self, image: CocoImage) -> bool:
        """Have it there; whether it was uploaded now, with its metadata.

        Raises Unimportable, BucketMissing, StorageUnavailable.
        """


@dataclass(frozen=True, slots=True)
class LocalPhotos:
    folder: Path
    s3: S3Client
    bucket: str
    prefix: str

    def url(self, image: CocoImage) -> str:
        return f"s3://{self.bucket}/{self.prefix}{image.file_name}"

    def check(self, image: CocoImage) -> None:
        _require_name(image)
        path = self.folder / image.file_name
        if not path.is_file():
            raise Unimportable("The photo is missing.")
        _require_size(image, path)

    def put(self, image: CocoImage) -> bool:
        body = (self.folder / image.file_name).read_bytes()
        key = self.prefix + image.file_name
        try:
            with s3_errors(ImageMissing, key=key):
                there = self.s3.head_object(Bucket=self.bucket, Key=key)
        except ImageMissing:
            there = None
        sha256 = hashlib.sha256(body).hexdigest()
        if there is None:
            with s3_errors(BucketMissing, bucket=self.bucket, key=key):
                self.s3.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=body,
                    ContentType=SUFFIXES[PurePosixPath(key).suffix.lower()],
                    Metadata={"sha256": sha256, **(metadata_of(image) or {})},
                )
            return True
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if there["Metadata"].get("sha256") != sha256 and there["ETag"].strip('"') != md5:
            raise Unimportable("Another photo has its name in S3; --into FOLDER uploads the photos beside it.")
        return False


@dataclass(frozen=True, slots=True)
class StoredPhotos:
    store: ImageStore
    folder_url: str
    """Ends with a slash."""

    def url(self, image: CocoImage) -> str:
        return f"{self.folder_url}{image.file_name}"

    def check(self, image: CocoImage) -> None:
        _require_name(image)
        try:
            with self.store.fetch(self.url(image)) as photo:
                _require_size(image, photo.path)
        except ImageMissing as error:
            raise Unimportable("The photo is missing.") from error
        except ImageRefused as error:
            raise Unimportable(f"{error.message} {error.cure}".strip()) from error

    def put(self, image: CocoImage) -> bool:  # noqa: ARG002  # it is there
        return False


def metadata_of(image: CocoImage) -> dict[str, str] | None:
    """Group and scale as the metadata of an S3 object; None if it can't hold them."""
    given = {"group": image.group, "mm-per-px": None if image.mm_per_px is None else repr(image.mm_per_px)}
    metadata = {name: value for name, value in given.items() if value is not None}
    is_plain = all(value.isascii() and value.isprintable() and value == value.strip() for value in metadata.values())
    return metadata if is_plain else None


def _require_name(image: CocoImage) -> None:
    name = PurePosixPath(image.file_name)
    if name.is_absolute() or ".." in name.parts or "\\" in image.file_name:
        raise Unimportable("Its name leads out of the folder of photos.")
    if name.suffix.lower() not in SUFFIXES:
        raise Unimportable(f"It is of no kind that Label Studio shows ({', '.join(SUFFIXES)}).")


def _require_size(image: CocoImage, path: Path) -> None:
    try:
        size = photo_size(str(path))
    except PhotoUnreadable as error:
        raise Unimportable("The photo can't be read.") from error
    if size == (image.height_px, image.width_px) != (image.width_px, image.height_px):
        raise Unimportable("It was annotated lying on its side: the upright photo has width and height swapped.")
    if size != (image.width_px, image.height_px):
        raise Unimportable("The upright photo is of another size than the data set says.")
