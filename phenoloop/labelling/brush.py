"""Brush masks as Label Studio stores them: rle-pack over the RGBA bytes of the whole photo.

Format: <https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack>. Decoding is the SDK's. Encoding writes the
very bytes of the SDK's `mask2rle`, but from the cut mask's own runs: the SDK's walks all four channels of every pixel
of the photo, for each object anew.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from label_studio_sdk.converter.brush import decode_rle
from numpy.typing import NDArray

from phenoloop.errors import TaskInvalid
from phenoloop.labelling.geometry import Mask, cut_to_content

_CHANNELS = 4
_RUN_BITS = (3, 4, 8, 16)
_LONGEST_RUN = 1 << _RUN_BITS[-1]
_HEADER = f"{8 - 1:05b}" + "".join(f"{bits - 1:04b}" for bits in _RUN_BITS)  # word size and run sizes, each less one


def encode_brush(mask: Mask, origin_px: tuple[int, int], width_px: int, height_px: int) -> list[int]:
    """The bytes of a mask that was cut out at `origin_px` (x, y) of a photo; what lies outside the photo is dropped."""
    bits = [f"{_CHANNELS * width_px * height_px:032b}", _HEADER]
    edges = _edges(mask, origin_px, width_px, height_px)
    for index, (start, end) in enumerate(pairwise(edges.tolist())):
        bits.extend(_run(_CHANNELS * (end - start), f"{255 * (index % 2):08b}"))
    text = "".join(bits)
    text += "0" * (8 - len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def decode_brush(rle: Sequence[int], width_px: int, height_px: int) -> tuple[Mask, tuple[int, int]]:
    """The mask cut to its content, with its origin (x, y) in the photo. A pixel at least half opaque belongs to it.

    Raises TaskInvalid if the bytes are none of a photo of that size.
    """
    size = _CHANNELS * width_px * height_px
    try:
        if int.from_bytes(bytes(rle[:4]), "big") != size:
            raise TaskInvalid("A brush mask is not of its photo's size.", width_px=width_px, height_px=height_px)
        pixels = np.asarray(decode_rle(list(rle)), np.uint8)
    except (ValueError, TypeError, IndexError) as error:
        raise TaskInvalid("A brush mask is garbled.", width_px=width_px, height_px=height_px) from error
    return cut_to_content(pixels.reshape(height_px, width_px, _CHANNELS)[..., 3] > 127, (0, 0))


def _edges(mask: Mask, origin_px: tuple[int, int], width_px: int, height_px: int) -> NDArray[np.int64]:
    """Where the photo, read row by row, changes between outside and inside: 0, in, out, in, ..., its end."""
    x, y = origin_px
    inside = mask[max(0, -y) : max(0, height_px - y), max(0, -x) : max(0, width_px - x)]
    steps = np.diff(np.pad(inside.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, columns = np.nonzero(steps)
    changes = (rows + max(0, y)) * width_px + columns + max(0, x)
    values, counts = np.unique(changes, return_counts=True)
    return np.concatenate([[0], values[counts == 1], [width_px * height_px]])  # a run may go on in the next row


def _run(length: int, value: str) -> Iterator[str]:
    if length == 0:
        return
    if length > 1 << _RUN_BITS[2]:  # the SDK's choice: what is left of a long run keeps the longest form
        while length > _LONGEST_RUN:
            yield f"111{_LONGEST_RUN - 1:016b}{value}"
            length -= _LONGEST_RUN
        yield f"111{length - 1:016b}{value}"
        return
    form = next(index for index, bits in enumerate(_RUN_BITS) if length <= 1 << bits)
    yield f"1{form:02b}{length - 1:0{_RUN_BITS[form]}b}{value}"
