"""A photo with what the chain found on it."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from loc360.photo import read_photo_scaled
from loc360.wire import Image
from phenoloop.chain.results import ChainResult, Instance

SIDE_PX = 1280
JPEG_QUALITY = 85
COLOURS = ((230, 97, 0), (93, 58, 155), (0, 114, 178), (0, 158, 115), (204, 121, 167), (213, 94, 0))
"""Told apart by the colour-blind, too (Okabe and Ito, 2008)."""
VEIL = 0.35
"""How much of its colour covers an object."""


def drawn(photo: Path, result: ChainResult) -> str:
    """The photo, its long side at most `SIDE_PX`, with masks, boxes and numbers: a JPEG as a `data:` URI.

    Numbers are those of the instances, from 1. Raises PhotoUnreadable.
    """
    picture = read_photo_scaled(str(photo), SIDE_PX)
    scale = picture.shape[1] / result.width_px
    colours = dict(
        zip(sorted({str(one.label) for one in result.instances}), COLOURS * len(result.instances), strict=False)
    )
    for one in result.instances:
        _draw(picture, one, scale, colours[str(one.label)])
    _, encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _draw(picture: Image, one: Instance, scale: float, colour: tuple[int, int, int]) -> None:
    outlines = [_on_picture(outline, one, scale) for outline in _outlines(one)]
    veiled = picture.copy()
    cv2.fillPoly(veiled, outlines, colour)
    cv2.addWeighted(veiled, VEIL, picture, 1 - VEIL, 0, dst=picture)
    cv2.polylines(picture, outlines, isClosed=True, color=colour, thickness=2, lineType=cv2.LINE_AA)
    x0, y0, x1, y1 = (round(edge * scale) for edge in one.box_px)
    cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 1)
    _number(picture, str(one.index + 1), (x0, y0), colour)


def _outlines(one: Instance) -> list[NDArray[np.int32]]:
    found, _ = cv2.findContours(one.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [np.asarray(outline, np.int32) for outline in found]


def _on_picture(outline: NDArray[np.int32], one: Instance, scale: float) -> NDArray[np.int32]:
    return np.asarray(np.rint((outline + np.array(one.mask_origin_px) + 0.5) * scale - 0.5), np.int32)


def _number(picture: Image, text: str, corner: tuple[int, int], colour: tuple[int, int, int]) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 2)
    x, y = corner[0], max(corner[1], height + 8)
    cv2.rectangle(picture, (x, y - height - 8), (x + width + 8, y), colour, cv2.FILLED)
    cv2.putText(picture, text, (x + 4, y - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
