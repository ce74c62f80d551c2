"""Photos of a table with vegetables in rows, and where they lie."""

import math

import cv2
import numpy as np

from loc360.wire import Box

_JPEG_START = b"\xff\xd8"
_QUALITY = 88
_GRAIN = 4.9
"""Standard deviation: 1600 x 1200 pixels make about 400 KB."""


def boxes(width_px: int, height_px: int, objects: int) -> list[Box]:
    """In rows; no two are of one size. Of 12 on 1600 x 1200 pixels the crops are about 256 x 256."""
    columns = math.ceil(math.sqrt(objects * width_px / height_px))
    rows = math.ceil(objects / columns)
    cell_width, cell_height = width_px / columns, height_px / rows
    return [
        Box(
            cell_width * (index % columns + 0.28),
            cell_height * (index // columns + 0.28),
            cell_width * (index % columns + 0.68 + 0.06 * index / objects),
            cell_height * (index // columns + 0.68 + 0.06 * index / objects),
        )
        for index in range(objects)
    ]


def jpeg(width_px: int, height_px: int, objects: int) -> bytes:
    noise = np.random.default_rng(0).normal(0, _GRAIN, (height_px, width_px, 1)).astype(np.float32)
    table = np.full((height_px, width_px, 3), (90, 110, 120), np.uint8)
    for index, box in enumerate(boxes(width_px, height_px, objects)):
        middle = (int(box.x0 + box.x1) // 2, int(box.y0 + box.y1) // 2)
        axes = (int(box.x1 - box.x0) // 2, int(box.y1 - box.y0) // 2)
        cv2.ellipse(table, middle, axes, 0, 0, 360, ((30, 120, 230), (40, 20, 220), (60, 200, 20))[index % 3], -1)
    photo = np.clip(table + noise, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


def numbered(photo: bytes, number: int) -> bytes:
    """The same picture, told apart by a comment."""
    text = f"{number:012d}".encode()
    return _JPEG_START + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + photo.removeprefix(_JPEG_START)
