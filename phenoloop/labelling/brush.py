"""Brush masks as Label Studio stores them: rle-pack over the RGBA bytes of the whole photo.

Format: <https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack>: a number of words, the word size, four run
sizes, then runs: one bit (one word repeated, or words as they are), two bits (which run size), the length less one.
Encoding writes the very bytes of the SDK's `mask2rle`, decoding reads what its `decode_rle` reads. Of 12 megapixels of
noise the SDK takes a minute and 5 GB.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from phenoloop.errors import TaskInvalid
from phenoloop.labelling.geometry import Mask, cut_to_content

_CHANNELS = 4
_WORD_BITS = 8
_RUN_BITS = (3, 4, 8, 16)
_LONGEST_RUN = 1 << _RUN_BITS[-1]
_RUNS_AT_ONCE = 1 << 18  # bounds what noise takes
_HEADER = f"{_WORD_BITS - 1:05b}" + "".join(f"{bits - 1:04b}" for bits in _RUN_BITS)


def encode_brush(mask: Mask, origin_px: tuple[int, int], width_px: int, height_px: int) -> list[int]:
    """The bytes of a mask that was cut out at `origin_px` (x, y) of a photo; what lies outside the photo is dropped."""
    between = _CHANNELS * np.diff(_edges(mask, origin_px, width_px, height_px))
    runs = np.flatnonzero(between)  # of a mask that begins with the photo the first is empty
    lengths, values = between[runs], runs % 2 * 255
    header = np.array([*f"{_CHANNELS * width_px * height_px:032b}{_HEADER}"], np.uint8)
    some = range(0, len(lengths), _RUNS_AT_ONCE)
    coded = [_bits(*_run_codes(lengths[at : at + _RUNS_AT_ONCE], values[at : at + _RUNS_AT_ONCE])) for at in some]
    bits = np.concatenate([header, *coded, np.zeros(1, np.uint8)])  # the SDK's end, a byte more if bits end on one
    encoded: list[int] = np.packbits(bits).tolist()
    return encoded


def decode_brush(rle: Sequence[int], width_px: int, height_px: int) -> tuple[Mask, tuple[int, int]]:
    """The mask cut to its content, with its origin (x, y) in the photo. A pixel at least half opaque belongs to it.

    Raises TaskInvalid if the bytes are none of a photo of that size.
    """
    try:
        opaque = _opaque(_binary(rle), width_px * height_px)
    except (ValueError, TypeError, IndexError) as error:
        raise TaskInvalid("A brush mask is garbled.", width_px=width_px, height_px=height_px) from error
    return cut_to_content(opaque.reshape(height_px, width_px), (0, 0))


def _edges(mask: Mask, origin_px: tuple[int, int], width_px: int, height_px: int) -> NDArray[np.int64]:
    """Where the photo, read row by row, changes between outside and inside: 0, in, out, in, ..., its end."""
    x, y = origin_px
    inside = mask[max(0, -y) : max(0, height_px - y), max(0, -x) : max(0, width_px - x)]
    steps = np.diff(np.pad(inside.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, columns = np.nonzero(steps)
    changes = (rows + max(0, y)) * width_px + columns + max(0, x)
    values, counts = np.unique(changes, return_counts=True)
    return np.concatenate([[0], values[counts == 1], [width_px * height_px]])  # a run may go on in the next row


def _run_codes(lengths: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each run's bits as a number, and how many they are. A run that is too long becomes several."""
    form = np.searchsorted([1 << bits for bits in _RUN_BITS[:-1]], lengths)
    pieces = -(-lengths // _LONGEST_RUN)
    last = lengths - (pieces - 1) * _LONGEST_RUN
    form, values = np.repeat(form, pieces), np.repeat(values, pieces)
    lengths = np.full(len(form), _LONGEST_RUN)
    lengths[np.cumsum(pieces) - 1] = last  # what is left of a long run keeps the longest form, as with the SDK
    run_bits = np.array(_RUN_BITS)[form]
    return ((0b100 | form) << run_bits | lengths - 1) << _WORD_BITS | values, 3 + run_bits + _WORD_BITS


def _bits(codes: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The codes' bits, one after the other."""
    ends = np.cumsum(widths)
    bits = np.zeros(ends[-1], np.uint8)
    for place in range(int(widths.max())):  # from each code's last bit
        there = widths > place
        bits[ends[there] - 1 - place] = codes[there] >> place & 1
    return bits


def _binary(rle: Sequence[int]) -> str:
    if not isinstance(rle, list):
        raise TypeError("no list of bytes")
    return f"{int.from_bytes(bytes(rle)):0{8 * len(rle)}b}"


def _opaque(binary: str, pixels: int) -> NDArray[np.bool_]:
    """Which pixels are at least half opaque. Raises ValueError or IndexError."""
    words, at = _CHANNELS * pixels, 32 + len(_HEADER)
    if int(binary[:32], 2) != words or int(binary[32:37], 2) + 1 != _WORD_BITS:
        raise ValueError("not the bytes of this photo")
    run_bits = [int(binary[start : start + 4], 2) + 1 for start in range(37, at, 4)]
    opaque, word = np.zeros(pixels, np.bool_), 0
    while word < words:
        is_repeated, size = binary[at] == "1", run_bits[int(binary[at + 1 : at + 3], 2)]
        start, at = word, at + 3 + size
        word = min(word + int(binary[at - size : at], 2) + 1, words)
        end = at + _WORD_BITS * (1 if is_repeated else word - start)
        if end > len(binary):
            raise ValueError("cut off")
        if not is_repeated:
            # of the words as they are, those that are some pixel's fourth
            alpha = _bytes(binary[at:end])[_CHANNELS - 1 - start % _CHANNELS :: _CHANNELS]
            opaque[start // _CHANNELS : start // _CHANNELS + len(alpha)] = alpha > 127
        elif binary[at] == "1":
            opaque[start // _CHANNELS : word // _CHANNELS] = True
        at = end
    return opaque


def _bytes(binary: str) -> NDArray[np.uint8]:
    return np.frombuffer(int(binary, 2).to_bytes(len(binary) // 8), np.uint8)
