"""Pictures in JSON: base64 of JPEG or PNG, and what an encoded picture promises, checked before it is decoded."""

import base64
import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from loc360.bilevel import bilevel_png
from loc360.errors import Loc360Error, ReplyInvalid, RequestInvalid

Image = NDArray[np.uint8]  # (height, width, 3), RGB
Mask = NDArray[np.bool_]  # (height, width)

MAX_SIDE_PX = 5000
"""No picture that travels to or from a model is larger, either way; a photo is scaled down to less."""
MAX_SCANS = 64
"""Of a progressive JPEG (cameras write about ten): each costs a walk over the whole picture, and a hundred bytes."""

BROKEN_PICTURE = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, LookupError, TypeError,
                  OverflowError, RuntimeError, Pillow.DecompressionBombError,
                  Pillow.DecompressionBombWarning)  # fmt: skip
"""What Pillow raises of a file that is none, or torn."""

_FORMATS = ("JPEG", "PNG")
_START_OF_SCAN = b"\xff\xda"


def jpeg_base64(image: Image, *, quality: int) -> str:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RequestInvalid(f"The image could not be encoded (shape {image.shape}).")
    return base64.b64encode(data.tobytes()).decode("ascii")


def image_from_base64(text: Any, error_type: type[Loc360Error]) -> Image:
    """Raises `error_type`."""
    return _pixels(text, "RGB", error_type)


def mask_base64(mask: Mask) -> str:
    done, data = cv2.imencode(".png", mask.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
    if not done:
        raise ReplyInvalid(f"The mask could not be encoded (shape {mask.shape}).")
    return base64.b64encode(data.tobytes()).decode("ascii")


def mask_from_base64(text: Any) -> Mask:
    """Raises ReplyInvalid."""
    try:
        mask = bilevel_png(base64.b64decode(text, validate=True), MAX_SIDE_PX)
    except (ValueError, TypeError):  # Pillow's way says what is wrong
        mask = None
    return _pixels(text, "L", ReplyInvalid) > 127 if mask is None else mask


def refuse_many_scans(data: bytes) -> None:
    """Raises ValueError if the data are a JPEG that takes more walks than a picture needs."""
    if data.startswith(b"\xff\xd8") and (scans := data.count(_START_OF_SCAN)) > MAX_SCANS:
        raise ValueError(f"a JPEG of {scans} scans")


def _pixels(text: Any, mode: str, error_type: type[Loc360Error]) -> NDArray[np.uint8]:
    """In Pillow's mode. By Pillow, since OpenCV takes a PNG's word for how much memory its chunks need."""
    try:
        data = base64.b64decode(text, validate=True)
        refuse_many_scans(data)
        with Pillow.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if max(picture.size) > MAX_SIDE_PX:
                raise ValueError(f"{picture.width} x {picture.height} pixels, over {MAX_SIDE_PX}")
            return np.array(picture.convert(mode))
    except BROKEN_PICTURE as error:
        raise error_type(f"An image is not base64 of a JPEG or PNG that we read: {error}.") from error
