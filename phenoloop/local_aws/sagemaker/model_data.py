"""Model data: `model.tar.gz` in S3, fetched and unpacked as SageMaker does before it starts a container."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from training.archives.unpacking import extract
from training.errors import ArchiveInvalid

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class ModelDataMissing(Exception):
    """It can't be read from S3, or is no archive. The text is SageMaker's."""


class ModelData:
    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    def check(self, url: str) -> None:
        """Raises ModelDataMissing if `url` names no object that we may read."""
        bucket, key = _bucket_and_key(url)
        try:
            self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise ModelDataMissing(f"Could not find model data at {url}.") from error
            raise ModelDataMissing(f"Could not access model data at {url}. {error}") from error
        except BotoCoreError as error:
            raise ModelDataMissing(f"Could not access model data at {url}. {error}") from error

    def unpack(self, url: str, folder: Path) -> None:
        """Fill `folder` with the archive's files; it exists afterwards only if all went well.

        Raises ModelDataMissing.
        """
        bucket, key = _bucket_and_key(url)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            archive, unpacked = Path(work) / "model.tar.gz", Path(work) / "model"
            try:
                with archive.open("wb") as file:
                    shutil.copyfileobj(self._s3.get_object(Bucket=bucket, Key=key)["Body"], file)
            except (ClientError, BotoCoreError, OSError) as error:
                raise ModelDataMissing(
                    f'Failed to download model data for container "primary" from URL: "{url}". Please ensure that '
                    f"there is an object located at the URL and that it may be read. {error}"
                ) from error
            try:
                extract(archive, unpacked)
            except ArchiveInvalid as error:
                raise ModelDataMissing(
                    f'Failed to extract model data archive for container "primary" from URL "{url}". Please ensure '
                    f"that the object located at the URL is a valid tar.gz archive. {error}"
                ) from error
            shutil.move(unpacked, folder)


def _bucket_and_key(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.path.strip("/"):
        raise ModelDataMissing(f"Could not find model data at {url}. The local SageMaker reads s3://BUCKET/KEY only.")
    return parts.netloc, parts.path.lstrip("/")
