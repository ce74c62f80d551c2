"""Brush masks as Label Studio stores them: rle-pack over the RGBA bytes of the whole photo.

Encoding writes the very bytes of the SDK's `mask2rle`, decoding reads what its `decode_rle` reads.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from phenoloop.errors import TaskInvalid
from phenoloop.labelling.geometry import Mask, cut_to_content
from phenoloop.labelling.rle_pack import Packer, unpacked

_CHANNELS = 4
_PIXELS_AT_ONCE = 1 << 19  # these bound what a mask of noise takes
_BYTES_AT_ONCE = 1 << 11
_EDGES_AT_ONCE = 1 << 13
_SHORT_PX = 8


def encode_brush(mask: Mask, origin_px: tuple[int, int], width_px: int, height_px: int) -> list[int]:
    """The bytes of a mask that was cut out at `origin_px` (x, y) of a photo; what lies outside the photo is dropped."""
    packer = Packer(_CHANNELS * width_px * height_px)
    start, is_inside = 0, 0
    for edges in _edges(mask, origin_px, width_px, height_px):
        lengths = _CHANNELS * np.ediff1d(edges, to_begin=edges[0] - start)
        values: NDArray[np.int64] = np.zeros(len(edges), np.int64)
        values[1 - is_inside :: 2] = 255
        if not (runs := lengths > 0).all():  # the photo's first and last may be empty
            lengths, values = lengths[runs], values[runs]
        packer.add(lengths, values)
        start, is_inside = int(edges[-1]), (is_inside + len(edges)) % 2
    return packer.finish()


def decode_brush(rle: Sequence[int], width_px: int, height_px: int) -> tuple[Mask, tuple[int, int]]:
    """The mask cut to its content, with its origin (x, y) in the photo. A pixel at least half opaque belongs to it.

    Raises TaskInvalid if the bytes are none of a photo of that size.
    """
    photo = np.zeros((height_px, width_px), np.bool_)
    try:
        first, last = _paint(photo.reshape(-1), rle)
    except (ValueError, TypeError) as error:
        raise TaskInvalid("A brush mask is garbled.", width_px=width_px, height_px=height_px) from error
    top = min(first, last) // width_px
    return cut_to_content(photo[top : -(-last // width_px)], (0, top))


def _edges(mask: Mask, origin_px: tuple[int, int], width_px: int, height_px: int) -> Iterator[NDArray[np.int64]]:
    """Where the photo, read row by row, changes between outside and inside, in order, then its end; some at once."""
    x, y = origin_px
    inside = mask[max(0, -y) : max(0, height_px - y), max(0, -x) : max(0, width_px - x)]
    read = min(inside.shape[1] + 1, width_px)  # of each row: a pixel outside ends it, unless it goes on in the next
    start = max(0, y) * width_px + max(0, x)
    lot: list[NDArray[np.int64]] = []
    for at in _changes(inside, read):
        lot.append(start + at + at // read * (width_px - read))
        if sum(map(len, lot)) > _EDGES_AT_ONCE:
            yield np.concatenate(lot)
            lot.clear()
    yield np.concatenate([*lot, [width_px * height_px]])


def _changes(inside: Mask, read: int) -> Iterator[NDArray[np.int64]]:
    """Where a mask changes that is read row by row, so many pixels of each; what it hasn't got is outside.

    Eight pixels are a byte: most bytes differ in nothing from the pixel before, and the others are few.
    """
    rows, columns = np.flatnonzero(inside.any(axis=1)), inside.shape[1]
    first, end = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)
    at_once = (min(end - first, _PIXELS_AT_ONCE // read) // 8 + 1) * 8  # whole bytes, and a row outside ends it
    pixels = np.zeros((at_once, read), np.bool_)
    packed = np.zeros(1 + at_once * read // 8, np.uint8)  # first the byte before
    for row in range(first, end + 1, at_once):
        some = inside[row : min(row + at_once, end)]
        pixels[: len(some), :columns] = some
        pixels[len(some) :] = False
        packed[1:] = np.packbits(pixels)
        flips = packed[1:] ^ (packed[1:] >> np.uint8(1) | packed[:-1] << np.uint8(7))
        packed[0] = packed[-1]
        flipped = np.flatnonzero(flips != 0)
        for part in range(0, len(flipped), _BYTES_AT_ONCE):
            byte = flipped[part : part + _BYTES_AT_ONCE]
            bit = np.flatnonzero(np.unpackbits(flips[byte]).view(np.bool_))
            yield row * read + 8 * byte[bit >> 3] + (bit & 7)


def _paint(photo: NDArray[np.bool_], rle: Sequence[int]) -> tuple[int, int]:
    """The first pixel that is at least half opaque, and the one after the last. Raises ValueError or TypeError."""
    if not isinstance(rle, list):
        raise TypeError("no list of bytes")
    first, last, word, pixel = photo.size, 0, 0, 0
    for lengths, values in unpacked(rle, _CHANNELS * photo.size):
        words = word + np.cumsum(lengths)
        edges = np.concatenate([[pixel], np.minimum(words // _CHANNELS, photo.size)])
        word, pixel = words[-1], edges[-1]
        opaque = np.flatnonzero((values > 127) & (edges[:-1] < edges[1:]))  # of words that are some pixel's fourth
        if len(opaque):
            starts, ends = edges[opaque], edges[opaque + 1]
            first, last = min(first, int(starts[0])), int(ends[-1])
            _fill(photo, starts, ends)
    return first, last


def _fill(photo: NDArray[np.bool_], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
    """Short stretches all together, long ones each alone."""
    lengths = ends - starts
    short = lengths <= _SHORT_PX
    pixels = starts[short, None] + np.arange(_SHORT_PX)
    photo[pixels[pixels < ends[short, None]]] = True
    opaque, view = np.ones(lengths.max(), np.bool_).data, photo.data  # quicker than slices of the arrays themselves
    for start, end in zip(starts[~short].tolist(), ends[~short].tolist(), strict=True):
        view[start:end] = opaque[: end - start]
