"""POST /predictions: one photo in, what the live chain finds in it out. docs/aws.md says how it is asked."""

import base64
import binascii
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from loc360.errors import Loc360Error, MetadataInvalid, PhotoUnreadable
from loc360.photo import photo_size
from phenoloop.chain.chain import flow_of
from phenoloop.chain.endpoints import Endpoints, sagemaker_runtime_client
from phenoloop.chain.flow import Invoker
from phenoloop.chain.images import ImageStore, photo_client
from phenoloop.chain.releases import ReleaseStore
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.deadlines import time_limit
from phenoloop.errors import ImageMissing, ImageRefused, PhenoloopError, StorageUnavailable, TaskInvalid, TimeOver
from phenoloop.logs import configure_logs, traced
from phenoloop.settings import ChainSettings

INCOMING = "images/incoming/"
"""A photo that is stored here becomes a task."""
ANSWERS_WITHIN_S = 26.0
PHOTOS = {"image/jpeg": ".jpg", "image/png": ".png"}
LARGEST_ANSWER_BYTES = 5_500_000
"""Lambda gives back no more than 6 MB."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    photo: bytes | None
    uri: str | None
    """`s3://bucket/key`, if the photo is not in the request."""
    suffix: str
    mm_per_px: float | None
    wants_masks: bool
    makes_task: bool

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> "Request":
        """Of an HTTP API's event, payload format 2.0. Raises TaskInvalid."""
        asked, kind = event.get("queryStringParameters") or {}, _content_type(event)
        body = _body(event)
        uri = None if kind in PHOTOS else _uri(body)
        scale = asked.get("mm_per_px")
        return cls(
            photo=None if uri else body,
            uri=uri,
            suffix=PHOTOS.get(kind, ""),
            mm_per_px=None if scale is None else _number(scale),
            wants_masks=asked.get("masks") == "true",
            makes_task=asked.get("task") == "true",
        )


class Service:
    """What one Lambda instance calls."""

    def __init__(self, bucket: str, s3: Any, endpoints: Invoker, *, max_image_bytes: int) -> None:
        self._bucket, self._s3, self._endpoints = bucket, s3, endpoints
        self._releases = ReleaseStore(s3, bucket)
        self._images = ImageStore(s3, {bucket}, max_image_bytes)

    def predict(self, asked: Request) -> Answer:
        """What `loc360.process` says of the photo, with its release, and where the photo was stored.

        Raises Loc360Error, PhenoloopError.
        """
        release = self._releases.live()
        with self._photo(asked) as (path, own_scale):
            scale = own_scale if asked.mm_per_px is None else asked.mm_per_px
            properties = {"manifest": release.manifest, "mm_per_px": scale}
            found = flow_of(release).run(path, properties, self._endpoints)
        objects = [item if asked.wants_masks else _without_mask(item) for item in found["objects"]]
        stored = self._stored(asked) if asked.makes_task and asked.photo else None
        return {**found, "objects": objects, **({"image": stored} if stored else {})}

    @contextmanager
    def _photo(self, asked: Request) -> Iterator[tuple[str, float | None]]:
        """Its path and its own scale."""
        if asked.uri:
            with self._images.fetch(asked.uri) as image:
                yield str(image.path), image.mm_per_px
            return
        with tempfile.NamedTemporaryFile(suffix=asked.suffix) as file:
            Path(file.name).write_bytes(asked.photo or b"")
            photo_size(file.name)
            yield file.name, None

    def _stored(self, asked: Request) -> str:
        """Under the photo's hash: the same photo again is the same task."""
        photo = asked.photo or b""
        key = f"{INCOMING}{hashlib.sha256(photo).hexdigest()}{asked.suffix}"
        scale = {} if asked.mm_per_px is None else {"mm-per-px": str(asked.mm_per_px)}
        with s3_errors(StorageUnavailable, bucket=self._bucket):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=photo, Metadata=scale)
        return f"s3://{self._bucket}/{key}"


def handler(event: dict[str, Any], context: Any) -> Answer:
    """Errors of ours become an answer with a status; any other fails the call, and the API says 500."""
    with traced(context.aws_request_id):
        return respond(_service(), event)


def respond(service: Service, event: Mapping[str, Any]) -> Answer:
    """The API's answer to one request."""
    try:
        with time_limit(ANSWERS_WITHIN_S):
            answer = _answer(200, service.predict(Request.read(event)))
    except (Loc360Error, PhenoloopError) as error:
        return _answer(_status(error), {"error": {"code": type(error).__name__, "message": str(error)}})
    if len(answer["body"]) > LARGEST_ANSWER_BYTES:
        return _answer(413, {"error": {"code": "AnswerTooLarge", "message": "Ask without masks."}})
    return answer


@cache
def _service() -> Service:
    configure_logs()
    settings = ChainSettings(attempts=2)
    endpoints = Endpoints(sagemaker_runtime_client(settings), settings.endpoint_slots, settings.attempts)
    s3 = photo_client(settings)
    return Service(os.environ["BUCKET"], s3, endpoints, max_image_bytes=settings.max_image_bytes)


def _status(error: Loc360Error | PhenoloopError) -> int:
    match error:
        case TaskInvalid() | ImageRefused() | MetadataInvalid():
            return 400
        case ImageMissing():
            return 404
        case PhotoUnreadable():
            return 422
        case TimeOver():
            return 504
    return 503 if error.retryable else 502


def _answer(status: int, body: Answer) -> Answer:
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def _content_type(event: Mapping[str, Any]) -> str:
    given = str(event.get("headers", {}).get("content-type", "")).partition(";")[0].strip().lower()
    if given not in {*PHOTOS, "application/json"}:
        raise TaskInvalid("Send a photo as image/jpeg or image/png, or its address as application/json.", given=given)
    return given


def _body(event: Mapping[str, Any]) -> bytes:
    text = str(event.get("body") or "")
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except binascii.Error as error:
        raise TaskInvalid("The body is not base64.") from error
    if not body:
        raise TaskInvalid("The body is empty.")
    return body


def _uri(body: bytes) -> str:
    try:
        uri = json.loads(body)["image"]
    except (ValueError, KeyError, TypeError) as error:
        raise TaskInvalid('Send {"image": "s3://bucket/key"}.') from error
    if not isinstance(uri, str) or not uri:
        raise TaskInvalid('Send {"image": "s3://bucket/key"}.')
    return uri


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise TaskInvalid("mm_per_px is no number.", mm_per_px=text) from error


def _without_mask(item: Answer) -> Answer:
    return {name: value for name, value in item.items() if name not in {"mask_png", "mask_box_px"}}
