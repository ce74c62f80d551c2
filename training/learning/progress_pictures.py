"""Pictures of how a training stands, for TensorBoard and the archive."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from loc360.wire import Image

_CELL_PX, _FONT_PX, _MOST_LETTERS = 64, 14, 14
_GAP_PX = 6
_NOTHING = "nothing"


def confusion_picture(counts: NDArray[np.int64], names: Sequence[str]) -> Image:
    """(h, w, 3) uint8 of counts (C + 1, C + 1), true labels down and found ones across, the last of each for none.

    The darker a cell, the larger its share of its row.
    """
    said = [name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…" for name in (*names, _NOTHING)]
    font = ImageFont.load_default(_FONT_PX)
    left = int(max(font.getlength(name) for name in said)) + 24
    top = _FONT_PX * 2 + 20
    picture = Pillow.new("RGB", (left + _CELL_PX * len(said), top + _CELL_PX * len(said)), "white")
    pencil = ImageDraw.Draw(picture)
    pencil.text((8, 6), "true \\ found", "#666666", font)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, name in enumerate(said):
        middle = row * _CELL_PX + _CELL_PX // 2
        pencil.text((left - 8, top + middle), name, "black", font, anchor="rm")
        pencil.text((left + middle, top - 6 - (_FONT_PX + 2) * (row % 2)), name, "black", font, anchor="ms")
        for column, share in enumerate(shares[row]):
            x, y = left + column * _CELL_PX, top + row * _CELL_PX
            light = round(255 * (1 - 0.85 * share))
            pencil.rectangle((x, y, x + _CELL_PX, y + _CELL_PX), (light, light, 255), "#bbbbbb")
            ink = "white" if share > 0.5 else "black"
            pencil.text((x + _CELL_PX // 2, y + _CELL_PX // 2), f"{counts[row, column]}", ink, font, anchor="mm")
    return np.asarray(picture, np.uint8)


def sheet(images: Sequence[Image], *, columns: int, most_px: int) -> Image:
    """(h, w, 3) uint8: images of any size side by side, larger ones shrunk to `most_px` a side."""
    rows = -(-len(images) // columns)
    tile_px = min(most_px, max(max(image.shape) for image in images)) + _GAP_PX
    picture = Pillow.new("RGB", (columns * tile_px, rows * tile_px), "#202020")
    for index, image in enumerate(images):
        tile = Pillow.fromarray(image)
        tile.thumbnail((most_px, most_px))
        left = (tile_px - tile.width) // 2 + index % columns * tile_px
        picture.paste(tile, (left, (tile_px - tile.height) // 2 + index // columns * tile_px))
    return np.asarray(picture, np.uint8)
