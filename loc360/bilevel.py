"""Masks out of 1-bit PNGs of the plainest form, the one in which `pictures.mask_base64` and OpenCV write them.

Nothing here trusts the file: sizes are checked before anything is allocated. What is of any other form is left to
Pillow, and so is what is broken, to say what is wrong with it. The tests hold both to the same pixels.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_START = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")  # width, height, bits, colour type, compression, filter method, interlacing
_GREY_BIT = (1, 0, 0, 0, 0)
_UNFILTERED, _SUB = 0, 1


def bilevel_png(data: bytes, max_side_px: int) -> NDArray[np.bool_] | None:
    """(height, width), or None if the PNG is not grey of one bit, not interlaced, filtered with other than none or
    sub, has other chunks than IHDR, IDAT and IEND, is larger than `max_side_px`, or is broken.
    """
    chunks = _chunks(data)
    if chunks is None or not chunks or chunks[0][0] != b"IHDR" or chunks[-1] != (b"IEND", b""):
        return None
    if len(chunks[0][1]) != _HEADER.size or {kind for kind, _ in chunks[1:-1]} != {b"IDAT"}:
        return None
    width, height, *form = _HEADER.unpack(chunks[0][1])
    if tuple(form) != _GREY_BIT or not (0 < width <= max_side_px and 0 < height <= max_side_px):
        return None
    packed = _unfiltered(b"".join(body for _, body in chunks[1:-1]), height, -(-width // 8))
    return None if packed is None else np.unpackbits(packed, axis=1, count=width).view(np.bool_)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """Kinds and bodies; None unless every chunk is whole, has its checksum, and nothing follows the last one."""
    if not data.startswith(_START):
        return None
    chunks, at = [], len(_START)
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if data[end : end + 4] != zlib.crc32(data[at + 4 : end]).to_bytes(4):
            return None
        chunks.append((data[at + 4 : at + 8], data[at + 8 : end]))
        at = end + 4
    return chunks


def _unfiltered(deflated: bytes, rows: int, row_bytes: int) -> NDArray[np.uint8] | None:
    size_bytes = rows * (1 + row_bytes)
    inflating = zlib.decompressobj()
    try:
        inflated = inflating.decompress(deflated, size_bytes + 1)
    except zlib.error:
        return None
    if len(inflated) != size_bytes or not inflating.eof or inflating.unused_data:
        return None
    lines = np.frombuffer(inflated, np.uint8).reshape(rows, 1 + row_bytes)
    filters, pixels = lines[:, 0], lines[:, 1:]
    if (filters == _SUB).all():  # each byte is the difference from the one to its left
        return np.add.accumulate(pixels, axis=1, dtype=np.uint8)
    return pixels if (filters == _UNFILTERED).all() else None
