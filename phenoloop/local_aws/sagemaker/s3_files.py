"""Files in S3 and on disk: what jobs read and write, as SageMaker fetches and uploads it."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PARALLEL = 8
Shard = tuple[int, int]
"""SageMaker's ShardedByS3Key: this one, of so many; objects are dealt out in the order of their keys."""
WHOLE: Shard = (0, 1)
GZIP_LEVEL = 1
"""Weights hardly shrink; higher levels only take longer."""


class S3Unreadable(Exception):
    """Nothing there, or no way to read it."""


class S3Unwritable(Exception):
    """An upload failed."""


class S3Files:
    """Safe to share between threads."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    def fetch(self, url: str, folder: Path, *, shard: Shard = WHOLE) -> None:
        """SageMaker's S3Prefix: the object that `url` names, else all objects below it, into `folder`.

        Of these only the `shard`, which may be empty. Raises S3Unreadable, also if there is no object at all.
        """
        if not self.restore(url, folder, shard=shard):
            raise S3Unreadable(
                f'No S3 objects found under S3 URL "{url}" given in input data source. Please ensure that the '
                "bucket exists in the selected region, that objects exist under that S3 prefix, and that they "
                "may be read."
            )

    def restore(self, url: str, folder: Path, *, shard: Shard = WHOLE) -> bool:
        """As `fetch`, but there may be nothing: then the folder is empty. Raises S3Unreadable."""
        bucket, prefix = bucket_and_key(url)
        index, count = shard
        try:
            places = _places([item["Key"] for item in self._below(bucket, prefix)], prefix)
            folder.mkdir(parents=True, exist_ok=True)
            _in_parallel(lambda key: self._download(bucket, key, folder / places[key]), sorted(places)[index::count])
        except (ClientError, BotoCoreError, OSError) as error:
            raise S3Unreadable(f'S3 URL "{url}" can\'t be read. {error}') from error
        return bool(places)

    def read(self, url: str) -> bytes:
        """Raises S3Unreadable."""
        bucket, key = bucket_and_key(url)
        try:
            return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError, OSError) as error:
            raise S3Unreadable(f"{url} can't be read. {error}") from error

    def upload_folder(self, folder: Path, url: str) -> None:
        """Every file of `folder` below `url`. Raises S3Unwritable."""
        self.upload_files(folder, [file for file in sorted(folder.rglob("*")) if file.is_file()], url)

    def upload_files(self, folder: Path, files: Iterable[Path], url: str) -> None:
        """Files of `folder` below `url`. Raises S3Unwritable."""
        bucket, prefix = bucket_and_key(url)
        keys = {file: str(PurePosixPath(prefix) / file.relative_to(folder).as_posix()) for file in files}
        _writing(url, lambda: _in_parallel(lambda file: self._s3.upload_file(str(file), bucket, keys[file]), keys))

    def upload_archive(self, folders: Sequence[Path], url: str) -> None:
        """What the folders hold as one tar.gz; of two files of one name the first folder's. Raises S3Unwritable."""
        bucket, key = bucket_and_key(url)
        archive = folders[0].with_name(f"{folders[0].name}.tar.gz")

        def upload() -> None:
            with tarfile.open(archive, "w:gz", compresslevel=GZIP_LEVEL) as tar:
                for name, item in sorted(_merged(folders).items()):
                    tar.add(item, name, recursive=False)
            self._s3.upload_file(str(archive), bucket, key)

        _writing(url, upload)
        archive.unlink()

    def _below(self, bucket: str, prefix: str) -> list[Any]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item for page in pages for item in page.get("Contents", [])]

    def _download(self, bucket: str, key: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as output:
            shutil.copyfileobj(self._s3.get_object(Bucket=bucket, Key=key)["Body"], output)


def bucket_and_key(url: str) -> tuple[str, str]:
    """Raises S3Unreadable."""
    parts = urlsplit(url, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc:
        raise S3Unreadable(f"The local SageMaker knows s3://BUCKET/KEY only, not {url}.")
    return parts.netloc, parts.path.lstrip("/")


def _places(keys: Iterable[str], prefix: str) -> dict[str, PurePosixPath]:
    """Where each object goes, relative to the input's folder. Keys that end in "/" only stand for folders."""
    found = [key for key in keys if not key.endswith("/")]
    if prefix in found:
        return {prefix: PurePosixPath(PurePosixPath(prefix).name)}
    folder = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    places = {key: PurePosixPath(key[len(folder) :].lstrip("/")) for key in found if key.startswith(folder)}
    for key, place in places.items():
        if ".." in place.parts:
            raise S3Unreadable(f"The key {key!r} leads out of the input's folder.")
    return places


def _merged(folders: Sequence[Path]) -> dict[str, Path]:
    """By name within its folder."""
    return {item.relative_to(folder).as_posix(): item for folder in reversed(folders) for item in folder.rglob("*")}


def _in_parallel(work: Callable[[Any], object], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        for _ in pool.map(work, items):
            pass


def _writing(url: str, work: Callable[[], None]) -> None:
    try:
        work()
    except (ClientError, BotoCoreError, S3UploadFailedError, OSError) as error:
        raise S3Unwritable(f"{url} can't be written. {error}") from error
