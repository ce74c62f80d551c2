"""Annotations as Label Studio exports them to S3: one object each, `PREFIX/ANNOTATION_ID`, overwritten on update."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import AnnotationMissing, TaskInvalid

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Task(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    data: dict[str, Any]


class Annotation(BaseModel):
    """The fields of the export that the loop uses; others are kept in S3 but not read."""

    model_config = ConfigDict(frozen=True)

    id: int
    task: Task
    project: int
    result: tuple[dict[str, Any], ...]
    was_cancelled: bool = False
    ground_truth: bool = False
    lead_time: float | None = None
    updated_at: datetime

    @property
    def region_origins(self) -> dict[str, int]:
        """How many regions an annotator drew (manual), accepted (prediction) or changed (prediction-changed)."""
        regions = {str(item["id"]): str(item.get("origin", "manual")) for item in self.result if "id" in item}
        return dict(Counter(regions.values()))


class StoredAnnotation(BaseModel):
    """An annotation with the version of the object that held it."""

    model_config = ConfigDict(frozen=True)

    key: str
    etag: str
    annotation: Annotation


def read_annotation(s3: S3Client, bucket: str, key: str) -> StoredAnnotation | None:
    """The annotation as it is now; None if its object is gone.

    Raises TaskInvalid (the object is no annotation), AnnotationMissing (it may not be read), StorageUnavailable.
    """
    try:
        with s3_errors(AnnotationMissing, key=key):
            answer = s3.get_object(Bucket=bucket, Key=key)
            body = answer["Body"].read()
    except AnnotationMissing as error:
        if error.facts.get("code") == "NoSuchKey":
            return None
        raise
    try:
        annotation = Annotation.model_validate_json(body)
    except ValidationError as error:
        raise _no_annotation(key) from error
    return StoredAnnotation(key=key, etag=answer["ETag"].strip('"'), annotation=annotation)


def annotation_id(key: str) -> int:
    """The id that an object's key ends with. Raises TaskInvalid."""
    try:
        return int(key.rpartition("/")[2])
    except ValueError as error:
        raise _no_annotation(key) from error


def _no_annotation(key: str) -> TaskInvalid:
    cure = "Only Label Studio's target storage may write there."
    return TaskInvalid("An object under the annotations prefix is no annotation.", cure=cure, key=key)
