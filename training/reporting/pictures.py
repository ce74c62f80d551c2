"""The report's photos: with what is true and what was found drawn on them, or with where a model looked."""

import base64
import io
from collections.abc import Sequence
from functools import cache

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.font_manager import findfont
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from loc360.frames import View, whole
from loc360.photo import read_photo_scaled
from loc360.wire import Box, Image
from training.data.dataset import LabelledPhoto
from training.evaluation.chain_run import Seen
from training.evaluation.comparison import Found, Truth, is_right, matched, name_of
from training.masks import Array, PlacedMask, box_ious

SIDE_PX = 720
_QUALITY = 78
RIGHT, WRONG_LABEL, EXTRA, MISSED, TRUE = "#2fd08a", "#ffb224", "#ff5a4f", "#ff4fd0", "#ffffff"
_FONT_PX = 16

Colour = str
Points = NDArray[np.float64]
"""(n, 2) x, y"""


def photo_url(photo: LabelledPhoto, seen: Seen) -> str:
    """The photo with true outlines, thin, and finds over them, each in the colour of what it is."""
    image = read_photo_scaled(str(photo.file), SIDE_PX)
    view = View(whole(photo.width_px, photo.height_px), image.shape[1], image.shape[0])
    shown = Pillow.fromarray(image)
    pencil = ImageDraw.Draw(shown)
    finds = seen.finds.found
    matches = matched(finds, box_ious([item.box_px for item in finds], [item.box_px for item in seen.truth]))
    for index, there in enumerate(seen.truth):
        is_found = index in matches.values()
        outlines = _edges(there, view)
        _outline(pencil, outlines, TRUE if is_found else MISSED, 1 if is_found else 3)
        if not is_found:
            _label(pencil, outlines, f"missed {there.label or ''}".strip(), MISSED)
    for index, find in enumerate(finds):
        outlines = _edges(find, view)
        colour = _meaning(find, seen.truth[matches[index]] if index in matches else None)
        _outline(pencil, outlines, colour, 2)
        _label(pencil, outlines, f"{find.label or ''} {find.score:.2f}".strip(), colour)
    return data_url(np.asarray(shown))


def heat_url(image: Image, heat: Array, boxes: Sequence[Box]) -> str:
    """`heat` (H, W) from 0 to 1 over the grey `image` (H, W, 3), with the objects' boxes."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    glow = mpl.colormaps["inferno"](heat)[..., :3] * 255
    cover = (0.15 + 0.6 * heat)[..., None]
    shown = Pillow.fromarray(np.asarray(grey * (1 - cover) + glow * cover, np.uint8))
    pencil = ImageDraw.Draw(shown)
    for box in boxes:
        pencil.rectangle(tuple(box), outline=TRUE, width=2)
    return data_url(np.asarray(shown))


def data_url(image: Image) -> str:
    written = io.BytesIO()
    Pillow.fromarray(image).save(written, "JPEG", quality=_QUALITY)
    return url_of(written.getvalue())


def url_of(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _meaning(find: Found, there: Truth | None) -> Colour:
    if there is None:
        return EXTRA
    return RIGHT if is_right((name_of(there), name_of(find))) else WRONG_LABEL


def _edges(item: Found | Truth, view: View) -> list[Points]:
    """Outlines (n, 2) on the view: the mask's, else the box."""
    if item.mask is None or not item.mask.mask.any():
        x0, y0, x1, y1 = view.box_in_view(item.box_px)
        return [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])]
    return [_on_view(points, item.mask, view) for points in _contours(item.mask)]


def _contours(mask: PlacedMask) -> list[Points]:
    found, _ = cv2.findContours(mask.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [points[:, 0].astype(np.float64) for points in found]


def _on_view(points: Points, mask: PlacedMask, view: View) -> Points:
    return np.asarray((points + 0.5 + mask.origin_px) / (view.scale_x, view.scale_y))


def _outline(pencil: ImageDraw.ImageDraw, outlines: Sequence[Points], colour: Colour, width: int) -> None:
    """With a dark seam, to be seen on any ground."""
    for points in outlines:
        closed = [tuple(point) for point in [*points, points[0]]]
        pencil.line(closed, fill="#000000", width=width + 2, joint="curve")
    for points in outlines:
        closed = [tuple(point) for point in [*points, points[0]]]
        pencil.line(closed, fill=colour, width=width, joint="curve")


def _label(pencil: ImageDraw.ImageDraw, outlines: Sequence[Points], text: str, colour: Colour) -> None:
    """On a tag at the highest point."""
    points = np.concatenate(outlines)
    left, _, right, _ = pencil.textbbox((0, 0), text, font=_font())
    top_x, top_y = points[points[:, 1].argmin()]
    x = min(max(top_x - (right - left) / 2, 0), max(pencil.im.size[0] - (right - left) - 6, 0))
    y = max(top_y - _FONT_PX - 5, 0)
    pencil.rectangle((x, y, x + right - left + 6, y + _FONT_PX + 4), fill=colour)
    pencil.text((x + 3, y), text, fill="#101010", font=_font())


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(findfont("DejaVu Sans"), _FONT_PX)
