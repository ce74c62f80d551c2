"""Objects under the runs' prefix, their records among them: written once, or read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from phenoloop.chain.s3_errors import listed, s3_errors
from phenoloop.errors import BucketMissing, RunMissing, WriteConflict
from sync.pipeline.parameters import Value

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Run(BaseModel):
    """What was asked for, and why."""

    model_config = ConfigDict(frozen=True)

    name: str
    snapshot: str
    """Name of the snapshot it learns from."""
    index: str = ""
    """Of the snapshot when the run was asked for, SHA-256; older records lack it."""
    photos: dict[str, int]
    """Of the snapshot, by split."""
    parameters: dict[str, Value]
    """Of the execution, as far as they differ from the pipeline's defaults."""
    live_release: str
    """Which the candidate has to beat."""
    reason: str
    by_itself: bool
    """The policy started it; else a person did."""
    requested_at: datetime
    trace_id: str = ""
    """Of the look or the command that asked for it: what its release and the jobs that follow log has it too."""


class RunObjects:
    """Names are relative to the prefix. Every method raises StorageUnavailable, too."""

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, prefix

    def names(self) -> list[str]:
        """Of those in no folder. Raises BucketMissing."""
        with s3_errors(BucketMissing, prefix=self._prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
            )
            return [item["Key"].removeprefix(self._prefix) for item in listed(pages)]

    def read(self, name: str) -> bytes:
        """Raises RunMissing."""
        key = self._prefix + name
        with s3_errors(RunMissing, key=key):
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def has(self, name: str) -> bool:
        try:
            self.read(name)
        except RunMissing:
            return False
        return True

    def write_once(self, name: str, text: str) -> bool:
        """Whether it was not there yet. Raises BucketMissing."""
        key = self._prefix + name
        try:
            with s3_errors(BucketMissing, key=key):
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=text.encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
        except WriteConflict:
            return False
        return True
