"""What wakes sync: queue messages that say that something may have changed.

They come at least once, in any order, sometimes minutes late, or never, and only name what to look at: what is there
now is the truth. Formats: AWS, "Event message structure" of S3 notifications (keys are URL-encoded, `s3:TestEvent`
comes first), the same through EventBridge (keys as they are), and EventBridge events of SageMaker.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from pydantic import BaseModel, Field, ValidationError

from phenoloop.errors import EventInvalid

PACKAGE_CHANGED = "SageMaker Model Package State Change"
EXECUTION_CHANGED = "SageMaker Model Building Pipeline Execution Status Change"
OBJECT_CHANGED = ("Object Created", "Object Deleted")


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something happened to one object."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """A package was made, approved or rejected, or a run got further."""

    about: str
    """ARN of the package or the execution."""


Event = ObjectEvent | RegistryEvent


def events(body: str) -> list[Event]:
    """The events in one message; none for a test event. Raises EventInvalid."""
    try:
        message = _Message.model_validate_json(body)
        if message.Event == "s3:TestEvent":
            return []
        if message.Records is not None:
            return [_object_event(record) for record in message.Records]
        if message.detail_type in (PACKAGE_CHANGED, EXECUTION_CHANGED):
            return [_registry_event(_Detail.model_validate(message.detail))]
        if message.detail_type in OBJECT_CHANGED:
            changed = _S3.model_validate(message.detail)
            return [ObjectEvent(bucket=changed.bucket.name, key=changed.object.key)]
    except ValidationError as error:
        raise EventInvalid("A queue message is no event.", cure="Only S3 and EventBridge may send here.") from error
    raise EventInvalid("A queue message is no event that we know.", cure="Only S3 and EventBridge may send here.")


def _object_event(record: "_Record") -> ObjectEvent:
    return ObjectEvent(bucket=record.s3.bucket.name, key=unquote_plus(record.s3.object.key))


def _registry_event(detail: "_Detail") -> RegistryEvent:
    return RegistryEvent(about=detail.ModelPackageArn or detail.pipelineExecutionArn or "")


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: str


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    s3: _S3


class _Detail(BaseModel):
    ModelPackageArn: str | None = None
    pipelineExecutionArn: str | None = None  # noqa: N815  # EventBridge's name


class _Message(BaseModel):
    Event: str | None = None
    Records: list[_Record] | None = None
    detail_type: str | None = Field(default=None, alias="detail-type")
    detail: dict[str, Any] = {}
