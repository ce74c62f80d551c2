"""Annotations as Label Studio exports them to S3: one object each, `PREFIX/ANNOTATION_ID`, overwritten on update."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from phenoloop.chain.bodies import at_most
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import AnnotationMissing, TaskInvalid

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


MAX_BYTES = 64 * 1024 * 1024
"""An annotation that is larger is left out: it takes up to 25 times as much to read."""

_MOST_DIGITS = 19
_SORTED = orjson.OPT_SORT_KEYS


class Task(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    data: dict[str, Any]

    @property
    def photo(self) -> str:
        """The `s3://` URI of the task's photo: the only one in its data, else the one under `image`.

        The export does not say which key the labelling configuration shows. Raises TaskInvalid.
        """
        uris = {name: text for name, text in self.data.items() if isinstance(text, str) and text.startswith("s3://")}
        if len(uris) != 1 and "image" not in uris:
            raise TaskInvalid("The task's data does not name one photo.", task=self.id, found=len(uris))
        return uris["image"] if "image" in uris else next(iter(uris.values()))

    @property
    def mm_per_px(self) -> float | None:
        """Scale of the upright photo at full size, if the data gives one. Raises TaskInvalid."""
        given = self.data.get("mm_per_px")
        if given is None or given == "":
            return None
        try:
            scale = float(given)
        except (TypeError, ValueError, OverflowError):
            scale = math.nan
        if not (math.isfinite(scale) and scale > 0):
            raise TaskInvalid("The task's mm_per_px is no number above 0.", task=self.id, mm_per_px=given)
        return scale

    @property
    def group(self) -> str | None:
        """Plant or plot, if the data gives one."""
        given = self.data.get("group")
        return None if given is None or given == "" else str(given)


class Annotation(BaseModel):
    """The fields of the export that the loop uses; others are kept in S3 but not read."""

    model_config = ConfigDict(frozen=True)

    id: int
    task: Task
    project: int
    result: tuple[dict[str, Any], ...]
    was_cancelled: bool = False
    ground_truth: bool = False
    parent_prediction: int | None = None
    """Label Studio's id of the prediction that it was made from."""
    updated_at: AwareDatetime

    @property
    def content_hash(self) -> str:
        """Of what the annotation means; Label Studio also exports counts and times that change on their own.

        Raises TaskInvalid if a value can't be written (a number of more than 64 bits).
        """
        data = self.task.data
        uris = sorted(text for text in data.values() if isinstance(text, str) and text.startswith("s3://"))
        facts = [*uris, data.get("mm_per_px"), data.get("group")]
        try:
            meaning = orjson.dumps([self.result, self.was_cancelled, self.ground_truth, facts], option=_SORTED)
        except orjson.JSONEncodeError as error:
            raise TaskInvalid(
                "An annotation holds a value that is none of Label Studio's.", task=self.task.id
            ) from error
        return hashlib.sha256(meaning).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object under the annotations prefix as it was read, whatever it holds."""

    key: str
    etag: str
    body: bytes
    """Of an object that is too large, the beginning."""

    def annotation(self) -> Annotation:
        """Raises TaskInvalid if the object is no annotation, or a larger one than we read."""
        if len(self.body) > MAX_BYTES:
            raise TaskInvalid("An annotation is larger than we read.", key=self.key, most_bytes=MAX_BYTES)
        try:
            return Annotation.model_validate_json(self.body)
        except ValidationError as error:
            raise _no_annotation(self.key) from error

    def content_hash(self) -> str:
        """The annotation's; of what is none, the body's."""
        try:
            return self.annotation().content_hash
        except TaskInvalid:
            return hashlib.sha256(self.body).hexdigest()


def read_object(s3: S3Client, bucket: str, key: str) -> StoredObject | None:
    """The object as it is now; None if it is gone. Raises AnnotationMissing (may not be read), StorageUnavailable."""
    try:
        with s3_errors(AnnotationMissing, key=key):
            answer = s3.get_object(Bucket=bucket, Key=key)
            return StoredObject(key, answer["ETag"].strip('"'), at_most(answer["Body"], MAX_BYTES))
    except AnnotationMissing as error:
        if error.facts.get("code") == "NoSuchKey":
            return None
        raise


def annotation_id(key: str) -> int:
    """The id that an object's key ends with. Raises TaskInvalid."""
    name = key.rpartition("/")[2]
    if not (name.isascii() and name.isdigit() and len(name) <= _MOST_DIGITS):
        raise _no_annotation(key)
    return int(name)


def _no_annotation(key: str) -> TaskInvalid:
    cure = "Only Label Studio's target storage may write there."
    return TaskInvalid("An object under the annotations prefix is no annotation.", cure=cure, key=key)
