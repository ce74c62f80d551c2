"""The JSON that travels to and from the two models. Module and containers both speak it through this file only.

Images travel as base64 JPEG, masks as base64 1-bit PNG. Boxes are [x0, y0, x1, y1] in pixels, edges, x to the right,
y down; each says its frame: *photo* (the EXIF-upright photo), *sent* (the scaled photo that call 1 carries) or *crop*
(the scaled crop that call 2 carries). Every reply names the release it was asked under.
"""

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from loc360.errors import Loc360Error, ReplyInvalid, RequestInvalid

Image = NDArray[np.uint8]  # (height, width, 3), RGB
Mask = NDArray[np.bool_]  # (height, width)

_GARBLED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


class Box(NamedTuple):
    """Edges in pixels of a stated frame: x0 <= x < x1, y0 <= y < y1."""

    x0: float
    y0: float
    x1: float
    y1: float


class Point(NamedTuple):
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class DetectorRequest:
    """Call 1: the whole photo, scaled."""

    release: str
    image: Image


@dataclass(frozen=True, slots=True)
class Find:
    """One object that the detector, or an annotator's prompt, points at."""

    box: Box
    """Frame: sent."""
    label: str | None
    score: float
    point: Point | None = None
    """Frame: sent. A key point inside the object; only annotators give one."""


@dataclass(frozen=True, slots=True)
class DetectorReply:
    release: str
    width_px: int
    """Of the sent photo, the frame of the boxes."""
    height_px: int
    finds: tuple[Find, ...]


@dataclass(frozen=True, slots=True)
class Echo:
    """What `process` must know of call 1, carried through call 2 because the platform keeps no memory."""

    release: str
    index: int
    count: int
    label: str | None
    score: float
    box: Box
    """Frame: photo."""
    crop: Box
    """Frame: photo. What the crop shows."""


@dataclass(frozen=True, slots=True)
class SegmenterRequest:
    """Call 2: one object."""

    image: Image
    """The crop, scaled."""
    box: Box
    """Frame: crop."""
    point: Point | None
    """Frame: crop."""
    echo: Echo


@dataclass(frozen=True, slots=True)
class SegmenterReply:
    mask: Mask
    """Of the crop's size."""
    echo: Echo


def encode_detector_request(request: DetectorRequest, *, quality: int = 90) -> str:
    return json.dumps({"release": request.release, "image": jpeg_base64(request.image, quality=quality)})


def decode_detector_request(text: str | bytes) -> DetectorRequest:
    """Raises RequestInvalid."""
    body = _object(text, RequestInvalid)
    return DetectorRequest(release=str(_field(body, "release", RequestInvalid)), image=_image(body))


def encode_detector_reply(reply: DetectorReply) -> str:
    return json.dumps(asdict(reply))


def decode_detector_reply(text: str | bytes) -> DetectorReply:
    """Raises ReplyInvalid, also when the model answered with an error object."""
    body = _object(text, ReplyInvalid)
    try:
        return DetectorReply(
            release=str(body["release"]),
            width_px=_positive(body["width_px"]),
            height_px=_positive(body["height_px"]),
            finds=tuple(_find(item) for item in body["finds"]),
        )
    except _GARBLED as error:
        raise ReplyInvalid(f"The detector's reply lacks or garbles a field: {error!r}.") from error


def encode_segmenter_request(request: SegmenterRequest, *, quality: int = 92) -> str:
    image = jpeg_base64(request.image, quality=quality)
    body = {"image": image, "box": request.box, "point": request.point, "echo": asdict(request.echo)}
    return json.dumps(body)


def decode_segmenter_requests(text: str | bytes) -> tuple[list[SegmenterRequest], bool]:
    """One request, or a stringified list of them (strings or objects); the flag says whether it was a list.

    Raises RequestInvalid.
    """
    value = _parsed(text, RequestInvalid)
    if isinstance(value, list):
        return [_segmenter_request(_object(item, RequestInvalid)) for item in value], True
    return [_segmenter_request(_object(value, RequestInvalid))], False


def encode_segmenter_reply(reply: SegmenterReply) -> str:
    return json.dumps({"mask": mask_base64(reply.mask), "echo": asdict(reply.echo)})


def decode_segmenter_replies(text: str | bytes) -> list[SegmenterReply]:
    """From one raw reply, or the list of replies (strings or objects) of a fanned-out call.

    Raises ReplyInvalid, also when any call answered with an error object.
    """
    value = _parsed(text, ReplyInvalid)
    items = value if isinstance(value, list) else [value]
    return [_segmenter_reply(_object(item, ReplyInvalid)) for item in items]


def encode_error(code: str, message: str) -> str:
    """The body a container answers with when it can't do what was asked."""
    return json.dumps({"error": {"code": code, "message": message}})


def jpeg_base64(image: Image, *, quality: int) -> str:
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RequestInvalid(f"The image could not be encoded (shape {image.shape}).")
    return base64.b64encode(data.tobytes()).decode("ascii")


def mask_base64(mask: Mask) -> str:
    done, data = cv2.imencode(".png", mask.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
    if not done:
        raise ReplyInvalid(f"The mask could not be encoded (shape {mask.shape}).")
    return base64.b64encode(data.tobytes()).decode("ascii")


def mask_from_base64(text: str) -> Mask:
    """Raises ReplyInvalid."""
    pixels = _pixels(text, cv2.IMREAD_GRAYSCALE, ReplyInvalid)
    return pixels > 127


def _parsed(text: Any, error_type: type[Loc360Error]) -> Any:
    try:
        return json.loads(text) if isinstance(text, str | bytes | bytearray) else text
    except ValueError as error:
        raise error_type(f"Not JSON: {error}.") from error


def _object(text: Any, error_type: type[Loc360Error]) -> dict[str, Any]:
    value = _parsed(text, error_type)
    if not isinstance(value, dict):
        raise error_type(f"Expected a JSON object, got {type(value).__name__}.")
    if "error" in value:
        raise error_type(f"The model answered with an error: {value['error']}.")
    return value


def _field(body: dict[str, Any], name: str, error_type: type[Loc360Error]) -> Any:
    if name not in body:
        raise error_type(f"The field {name!r} is missing.")
    return body[name]


def _image(body: dict[str, Any]) -> Image:
    bgr = _pixels(_field(body, "image", RequestInvalid), cv2.IMREAD_COLOR, RequestInvalid)
    return np.ascontiguousarray(bgr[..., ::-1])


def _pixels(text: Any, flags: int, error_type: type[Loc360Error]) -> NDArray[np.uint8]:
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        pixels = cv2.imdecode(data, flags) if data.size else None
    except (binascii.Error, TypeError, ValueError, cv2.error) as error:
        raise error_type("An image is not base64 of an encoded image.") from error
    if pixels is None:
        raise error_type("An image can't be decoded.")
    return pixels.astype(np.uint8, copy=False)


def _find(item: dict[str, Any]) -> Find:
    point = item.get("point")
    return Find(
        box=_box(item["box"]),
        label=None if item["label"] is None else str(item["label"]),
        score=_finite(item["score"]),
        point=None if point is None else _point(point),
    )


def _positive(value: Any) -> int:
    if int(value) < 1:
        raise ValueError(f"not above 0: {value}")
    return int(value)


def _finite(value: Any) -> float:
    if not np.isfinite(number := float(value)):
        raise ValueError(f"not finite: {value}")
    return number


def _point(values: Any) -> Point:
    return Point(*(_finite(value) for value in values))


def _box(values: Any) -> Box:
    box = Box(*(_finite(value) for value in values))
    if box.x1 < box.x0 or box.y1 < box.y0:
        raise ValueError(f"no box: {values}")
    return box


def _segmenter_request(body: dict[str, Any]) -> SegmenterRequest:
    try:
        point = body.get("point")
        return SegmenterRequest(
            image=_image(body),
            box=_box(body["box"]),
            point=None if point is None else _point(point),
            echo=_echo(body["echo"]),
        )
    except _GARBLED as error:
        raise RequestInvalid(f"The segmenter's request lacks or garbles a field: {error!r}.") from error


def _segmenter_reply(body: dict[str, Any]) -> SegmenterReply:
    try:
        return SegmenterReply(mask=mask_from_base64(body["mask"]), echo=_echo(body["echo"]))
    except _GARBLED as error:
        raise ReplyInvalid(f"The segmenter's reply lacks or garbles a field: {error!r}.") from error


def _echo(values: dict[str, Any]) -> Echo:
    label = values["label"]
    return Echo(
        release=str(values["release"]),
        index=int(values["index"]),
        count=int(values["count"]),
        label=None if label is None else str(label),
        score=_finite(values["score"]),
        box=_box(values["box"]),
        crop=_box(values["crop"]),
    )
