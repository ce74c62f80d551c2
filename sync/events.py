"""S3 event notifications as they arrive in SQS messages.

Format: AWS, "Event message structure" of Amazon S3 notifications, versions 2.x. Keys are URL-encoded; events come at
least once, in any order, sometimes minutes late; `s3:TestEvent` comes first.
"""

from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote_plus

from pydantic import BaseModel, Field, ValidationError

from phenoloop.errors import EventInvalid


class ObjectChange(Enum):
    CREATED = "ObjectCreated"
    REMOVED = "ObjectRemoved"


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something happened to one object. The object itself, read now, is the truth; this only names it."""

    change: ObjectChange
    bucket: str
    key: str
    version: str
    """Tells this event from others of the same key: S3's sequencer, else the event's time."""


def object_events(body: str) -> list[ObjectEvent]:
    """The events in one message; none for a test event. Raises EventInvalid."""
    try:
        message = _Message.model_validate_json(body)
        if message.Event == "s3:TestEvent":
            return []
        if message.Records is None:
            raise EventInvalid("A queue message holds no S3 records.", cure="Only S3 may send to this queue.")
        return [_object_event(record) for record in message.Records]
    except (ValidationError, ValueError) as error:
        raise EventInvalid("A queue message is no S3 event.", cure="Only S3 may send to this queue.") from error


def _object_event(record: "_Record") -> ObjectEvent:
    return ObjectEvent(
        change=ObjectChange(record.eventName.removeprefix("s3:").partition(":")[0]),
        bucket=record.s3.bucket.name,
        key=unquote_plus(record.s3.object.key),
        version=record.s3.object.sequencer or record.eventTime,
    )


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: str
    sequencer: str = ""


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    eventName: str  # noqa: N815  # the protocol's names
    eventTime: str = ""  # noqa: N815
    s3: _S3


class _Message(BaseModel):
    Event: str | None = None
    Records: list[_Record] | None = Field(default=None)
