"""Objects in S3 as the jobs of a run read them: what is gone is told apart from an S3 that does not answer."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from training.data.snapshot import bucket_and_key
from training.errors import JobFailed, ObjectMissing

_GONE = {"NoSuchKey": "NoSuchKey", "404": "NoSuchKey", "AccessDenied": "AccessDenied", "403": "AccessDenied"}
"""S3's codes, or statuses, for an object that is missing or not for us; any other error may pass."""
_ATTEMPTS = 8
"""With pauses of up to 20 s, so a throttling S3 has a minute or two."""
_DOWNLOADS = 3
"""A body may break off after the client was done with its own attempts."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    etag: str
    metadata: dict[str, str]


def patient_client(connections: int) -> Any:
    patient = Config(max_pool_connections=connections, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
    return boto3.client("s3", config=patient)


def described(s3: Any, url: str) -> ObjectFacts:
    """Raises ObjectMissing, and JobFailed if S3 does not answer."""
    bucket, key = bucket_and_key(url)
    try:
        return _facts(s3.head_object(Bucket=bucket, Key=key))
    except (BotoCoreError, ClientError) as error:
        raise _translated(error, url) from error


def downloaded(s3: Any, url: str, file: Path) -> ObjectFacts:
    """Of the object that `file` holds then. Raises ObjectMissing, and JobFailed if S3 does not answer."""
    bucket, key = bucket_and_key(url)
    for attempt in range(1, _DOWNLOADS + 1):
        try:
            reply = s3.get_object(Bucket=bucket, Key=key)
            with file.open("wb") as target:
                shutil.copyfileobj(reply["Body"], target)
            return _facts(reply)
        except ClientError as error:
            raise _translated(error, url) from error
        except BotoCoreError as error:
            if attempt == _DOWNLOADS:
                raise _translated(error, url) from error
    raise AssertionError("unreachable: the last attempt raises")


def stored(s3: Any, url: str, body: bytes, metadata: dict[str, str]) -> None:
    """Put a JPEG. Raises JobFailed."""
    bucket, key = bucket_and_key(url)
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="image/jpeg", Metadata=metadata)
    except (BotoCoreError, ClientError) as error:
        raise JobFailed(f"S3 does not take {url}: {error}") from error


def _facts(reply: dict[str, Any]) -> ObjectFacts:
    return ObjectFacts(reply["ETag"].strip('"'), dict(reply["Metadata"]))


def _translated(error: BotoCoreError | ClientError, url: str) -> ObjectMissing | JobFailed:
    code = error.response["Error"].get("Code", "unknown") if isinstance(error, ClientError) else ""
    return ObjectMissing(_GONE[code]) if code in _GONE else JobFailed(f"S3 does not give {url}: {error}")
