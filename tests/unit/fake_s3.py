"""An S3 of one bucket in memory, as far as snapshots need it; the contract tests hold the real ones to the same."""

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError


class FakeS3:
    page_size = 4

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._metadata: dict[str, dict[str, str]] = {}
        self._written: dict[str, datetime] = {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803  # the client's names
        body = self._found(Key)
        return {"Body": io.BytesIO(body), "ETag": _etag(body)}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        body = self._found(Key)
        return {"ETag": _etag(body), "ContentLength": len(body), "Metadata": self._metadata.get(Key, {})}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **more: Any) -> dict[str, Any]:  # noqa: N803
        there = self.objects.get(Key)
        lost = "IfNoneMatch" in more and there is not None
        if lost or ("IfMatch" in more and (there is None or _etag(there) != more["IfMatch"])):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.objects[Key] = Body
        self._written[Key] = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=len(self._written))
        self._metadata[Key] = more.get("Metadata", {})
        return {"ETag": _etag(Body)}

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self.objects.pop(Key, None)

    def get_paginator(self, operation: str) -> "FakeS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        for page in [keys[at : at + self.page_size] for at in range(0, len(keys), self.page_size)] or [[]]:
            yield {
                "Contents": [
                    {"Key": key, "ETag": _etag(self.objects[key]), "LastModified": self._written[key]} for key in page
                ]
            }

    def _found(self, key: str) -> bytes:
        if key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return self.objects[key]


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
