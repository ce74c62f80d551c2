"""What may be sent: the JSON of `loc360.wire`, or a photo as it is, of which that JSON is made here.

Nothing of `loc360` is imported: the archive brings its own, which has to be the only one in the process.
"""

import base64
import io
import json
import re
import struct
import tokenize
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageOps
from PIL import Image as Pillow

ROLES = ("detector", "segmenter")
JSON, NPY = "application/json", "application/x-npy"
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
MAX_SIDE_PX = 5000
"""As in `loc360.pictures`."""
_MAX_SCANS = 64
_BOX = re.compile(r"(?:^|[;\s])box=([^;\s]*)")
_BROKEN = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, LookupError, TypeError, OverflowError,
           RuntimeError, tokenize.TokenError, Pillow.DecompressionBombError,
           Pillow.DecompressionBombWarning)  # fmt: skip

Box = tuple[float, float, float, float]


class Refused(Exception):
    """A request that can't be what the model takes."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Picture:
    """Upright."""

    data: bytes
    """JPEG or PNG."""
    width_px: int
    height_px: int


def wire_body(body: bytes, content_type: str, attributes: str, role: str) -> tuple[bytes, str]:
    """The request as the archive's code takes it, and its content type. Raises Refused.

    Sent as it is, a photo has no release; the segmenter is asked about `box=x0,y0,x1,y1` (pixels of the upright photo)
    in the custom attributes, else about the whole of it. What models of other roles take only their own code knows.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        return _text(body), content_type
    if role not in ROLES:
        return body, content_type
    if kind not in (*_FORMATS, NPY):
        known = ", ".join((JSON, *_FORMATS))
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {known} or {NPY}, not {kind[:100]!r}.")
    try:
        picture = _of_array(_array(body)) if kind == NPY else _upright(body, _FORMATS[kind])
    except _BROKEN as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"The body is not {kind} that we read: {str(error)[:300]}") from error
    return json.dumps(_request(picture, attributes, role)).encode(), JSON


def _text(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError as error:  # later it would be taken for a fault of the model
        raise Refused(HTTPStatus.BAD_REQUEST, "The body is not UTF-8.") from error
    return body


def _request(picture: _Picture, attributes: str, role: str) -> dict[str, Any]:
    """As `loc360.wire` documents it."""
    image = base64.b64encode(picture.data).decode("ascii")
    if role == "detector":
        return {"release": "", "image": image}
    box = _asked_box(attributes, picture)
    of_photo = {"box": box, "crop": (0, 0, picture.width_px, picture.height_px)}
    echo = {"release": "", "index": 0, "count": 1, "label": None, "score": 1.0, **of_photo}
    return {"image": image, "box": box, "point": None, "echo": echo}


def _asked_box(attributes: str, picture: _Picture) -> Box:
    asked = _BOX.search(attributes)
    if asked is None:
        return 0.0, 0.0, float(picture.width_px), float(picture.height_px)
    try:
        x0, y0, x1, y1 = map(float, asked[1].split(","))
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "The box is not of the form box=x0,y0,x1,y1.") from error
    if not (0 <= x0 < x1 <= picture.width_px and 0 <= y0 < y1 <= picture.height_px):
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            f"The box is no part of the upright photo of {picture.width_px} x {picture.height_px} pixels.",
        )
    return x0, y0, x1, y1


def _upright(body: bytes, kind: str) -> _Picture:
    """The bytes themselves, unless pixels have to be turned, blended or scaled, as `loc360.photo` does it."""
    if body.count(b"\xff\xda") > _MAX_SCANS and kind == "JPEG":
        raise ValueError("a JPEG of too many scans")
    with Pillow.open(io.BytesIO(body), formats=(kind,)) as picture:
        if max(picture.size) > MAX_SIDE_PX:
            raise ValueError(f"{picture.width} x {picture.height} pixels, over {MAX_SIDE_PX}")
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
        if picture.mode in ("RGB", "L") and not turned and not picture.has_transparency_data:
            return _Picture(body, *picture.size)
        return _of_array(_rgb(ImageOps.exif_transpose(picture)))


def _rgb(picture: Pillow.Image) -> NDArray[np.uint8]:
    """16 bits become 8, transparency is put on white."""
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        grey = np.rint(np.asarray(picture) / 257).clip(0, 255).astype(np.uint8)  # 65535 / 255
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.has_transparency_data:
        white = Pillow.new("RGBA", picture.size, "white")
        picture = Pillow.alpha_composite(white, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))


def _array(body: bytes) -> NDArray[np.uint8]:
    """(h, w, 3) uint8. By hand, since numpy makes room for whatever the header announces."""
    stream = io.BytesIO(body)
    header = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
    shape, is_fortran, dtype = header[version > (1, 0)](stream)  # type: ignore[no-untyped-call]
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or not 0 < min(shape) <= max(shape) <= MAX_SIDE_PX:
        raise ValueError(f"an array {shape} of {dtype}, not (height, width, 3) of uint8, at most {MAX_SIDE_PX} a side")
    pixels = np.frombuffer(body, np.uint8, offset=stream.tell())
    return pixels.reshape(shape, order="F" if is_fortran else "C")


def _of_array(pixels: NDArray[np.uint8]) -> _Picture:
    packed = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(packed, "PNG", compress_level=1)
    return _Picture(packed.getvalue(), pixels.shape[1], pixels.shape[0])
