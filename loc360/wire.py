"""The JSON that travels to and from the two models. Module and containers both speak it through this file only.

Images travel as base64 JPEG, masks as base64 1-bit PNG. Boxes are [x0, y0, x1, y1] in pixels, edges, x to the right,
y down; each says its frame: *photo* (the EXIF-upright photo), *sent* (the scaled photo that call 1 carries) or *crop*
(the scaled crop that call 2 carries). Every reply names the release it was asked under.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeVar

from loc360.errors import Loc360Error, ReplyInvalid, RequestInvalid
from loc360.pictures import Image as Image
from loc360.pictures import Mask as Mask
from loc360.pictures import image_from_base64
from loc360.pictures import jpeg_base64 as jpeg_base64
from loc360.pictures import mask_base64 as mask_base64
from loc360.pictures import mask_from_base64 as mask_from_base64

MAX_BYTES_TOGETHER = 600_000_000
"""The decoded images or masks of one message take no more."""

_LARGEST_NUMBER = 1e12  # more is no coordinate, and would overflow
_GARBLED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)

Item = TypeVar("Item")


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
    impression: tuple[float, ...] = ()
    """What the photo is like to the model, in a few numbers, for whoever watches for drift; empty if it tells none."""


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
            impression=tuple(_finite(value) for value in body.get("impression", ())),
        )
    except _GARBLED as error:
        raise ReplyInvalid(f"The detector's reply lacks or garbles a field: {error!r}.") from error


def encode_segmenter_request(request: SegmenterRequest, *, quality: int = 92) -> str:
    image = jpeg_base64(request.image, quality=quality)
    body = {"image": image, "box": request.box, "point": request.point, "echo": _fields(request.echo)}
    return json.dumps(body)


def decode_segmenter_requests(text: str | bytes) -> tuple[list[SegmenterRequest], bool]:
    """One request, or a stringified list of them (strings or objects); the flag says whether it was a list.

    Raises RequestInvalid.
    """
    value = _parsed(text, RequestInvalid)
    if isinstance(value, list):
        return _each(value, _segmenter_request, lambda request: request.image.nbytes, RequestInvalid), True
    return [_segmenter_request(_object(value, RequestInvalid))], False


def encode_segmenter_reply(reply: SegmenterReply) -> str:
    return json.dumps({"mask": mask_base64(reply.mask), "echo": _fields(reply.echo)})


def decode_segmenter_replies(text: str | bytes) -> list[SegmenterReply]:
    """From one raw reply, or the list of replies (strings or objects) of a fanned-out call.

    Raises ReplyInvalid, also when any call answered with an error object.
    """
    value = _parsed(text, ReplyInvalid)
    items = value if isinstance(value, list) else [value]
    return _each(items, _segmenter_reply, lambda reply: reply.mask.nbytes, ReplyInvalid)


def encode_error(code: str, message: str) -> str:
    """The body a container answers with when it can't do what was asked."""
    return json.dumps({"error": {"code": code, "message": message}})


def _fields(echo: Echo) -> dict[str, Any]:
    """Not `asdict`, which copies every number of it."""
    return {name: getattr(echo, name) for name in Echo.__slots__}


def _parsed(text: Any, error_type: type[Loc360Error]) -> Any:
    try:
        return json.loads(text) if isinstance(text, str | bytes | bytearray) else text
    except (ValueError, RecursionError) as error:
        raise error_type(f"Not JSON: {error}.") from error


def _each(
    items: list[Any],
    decode: Callable[[dict[str, Any]], Item],
    size_bytes: Callable[[Item], int],
    error_type: type[Loc360Error],
) -> list[Item]:
    decoded, left_bytes = [], MAX_BYTES_TOGETHER
    for item in items:
        decoded.append(decode(_object(item, error_type)))
        left_bytes -= size_bytes(decoded[-1])
        if left_bytes < 0:
            raise error_type(f"The images of one message take more than {MAX_BYTES_TOGETHER} bytes.")
    return decoded


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
    return image_from_base64(_field(body, "image", RequestInvalid), RequestInvalid)


def _find(item: dict[str, Any]) -> Find:
    point = item.get("point")
    return Find(
        box=_box(item["box"]),
        label=_label(item["label"]),
        score=_finite(item["score"]),
        point=None if point is None else _point(point),
    )


def _label(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError("a label that is no text")
    return value


def _positive(value: Any) -> int:
    if int(value) < 1:
        raise ValueError(f"not above 0: {value}")
    return int(value)


def _finite(value: Any) -> float:
    if not abs(number := float(value)) <= _LARGEST_NUMBER:
        raise ValueError(f"no number of a photo: {value}")
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
    return Echo(
        release=str(values["release"]),
        index=int(values["index"]),
        count=int(values["count"]),
        label=_label(values["label"]),
        score=_finite(values["score"]),
        box=_box(values["box"]),
        crop=_box(values["crop"]),
    )
