"""Hostile pictures: every kind that Pillow writes, torn, with a lying header, or no picture at all."""

import io
import struct
import zlib
from functools import cache
from typing import Any

from hypothesis import strategies as st
from PIL import Image as Pillow

from tests.hostile.values import torn

NO_PICTURES = [
    b"", b"\x00", b"%PDF-1.7\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"GIF89a", b"\x89PNG\r\n\x1a\n",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*", b"P6 9 9 255\n",
    b"RIFF\x00\x00\x00\x00WEBPVP8X", b"P6 99999 99999 255\n", b"P5 1 1 99999\n", b"PK\x03\x04", b"\x7fELF", b"{}",
    b"#!/bin/sh\n", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\x00\x00\x00\x1cftypavif", b"photo" * 1000,
]  # fmt: skip

SIZES = [(1, 1), (1, 300), (300, 1), (2, 2), (64, 48), (65_535, 1), (1, 16_383), (640, 480)]
LIES = [(0, 0), (1, 0), (65_535, 65_535), (65_535, 1), (1, 65_535), (30_000, 30_000), (13_000, 13_000),
        (2**31 - 1, 2**31 - 1)]  # fmt: skip
KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {}), ("JPEG", "L", {}), ("JPEG", "CMYK", {}), ("JPEG", "RGB", {"progressive": True}),
    ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "P", {}), ("PNG", "1", {}), ("PNG", "L", {}), ("PNG", "LA", {}),
    ("PNG", "I;16", {}), ("PNG", "RGB", {"save_all": True}), ("TIFF", "RGB", {}), ("TIFF", "I;16", {}),
    ("TIFF", "F", {}), ("TIFF", "CMYK", {}), ("TIFF", "1", {"compression": "group4"}), ("TIFF", "I", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("WEBP", "RGB", {"lossless": True}), ("WEBP", "RGBA", {}),
    ("BMP", "RGB", {}), ("BMP", "P", {}), ("GIF", "P", {}), ("GIF", "P", {"save_all": True}), ("JPEG2000", "RGB", {}),
    ("PPM", "RGB", {}), ("PPM", "L", {}), ("AVIF", "RGB", {}), ("ICO", "RGB", {}), ("TGA", "RGB", {}),
    ("PDF", "RGB", {}), ("EPS", "RGB", {}),
]  # fmt: skip


@st.composite
def pictures(draw: st.DrawFn, kinds: tuple[str, ...] = ()) -> bytes:
    """`kinds`: of these formats only (what is no picture comes all the same)."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(NO_PICTURES) | st.binary(max_size=300))
    wanted = [index for index, (kind, _, _) in enumerate(KINDS) if not kinds or kind in kinds]
    kind = draw(st.sampled_from(wanted))
    body = picture(kind, draw(st.sampled_from(SIZES)), draw(st.integers(0, 9)))
    match draw(st.integers(0, 3)):
        case 0:
            return body
        case 1:
            return lying(body, *draw(st.sampled_from(LIES)))
        case _:
            return draw(torn(body))


@cache
def picture(kind: int, size: tuple[int, int], orientation: int) -> bytes:
    """With an EXIF orientation, of which 1 to 8 are known; of a size or mode that the format lacks, nothing."""
    name, mode, options = KINDS[kind]
    drawn = Pillow.new("L", size, 90)
    drawn.paste(220, (0, 0, (size[0] + 1) // 2, (size[1] + 1) // 2))
    drawn = drawn.convert(mode) if mode != "I;16" else Pillow.new("I;16", size, 40_000)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    try:
        more = {"append_images": [drawn.copy(), drawn.rotate(180)]} if options.get("save_all") else {}
        drawn.save(out, name, exif=exif, **options, **more)
    except (OSError, ValueError, KeyError, RuntimeError):
        return b""
    return out.getvalue()


def lying(body: bytes, width: int, height: int) -> bytes:
    """The same bytes under a header that claims another size (where the format's header is simple to find)."""
    if body.startswith(b"\x89PNG"):
        header = b"IHDR" + struct.pack(">II", width, height) + body[24:29]
        return body[:12] + header + struct.pack(">I", zlib.crc32(header)) + body[33:]
    if body.startswith(b"\xff\xd8"):
        at = max(body.find(b"\xff\xc0"), body.find(b"\xff\xc2"))
        return body[: at + 5] + struct.pack(">HH", height & 0xFFFF, width & 0xFFFF) + body[at + 9 :]
    if body.startswith(b"GIF8"):
        return body[:6] + struct.pack("<HH", width & 0xFFFF, height & 0xFFFF) + body[10:]
    if body.startswith(b"BM"):
        return body[:18] + struct.pack("<II", width, height) + body[26:]
    if body[:4] in (b"II*\x00", b"MM\x00*"):
        return _lying_tiff(body, width, height)
    return body


def bomb(width: int, height: int, *, colour: int = 2) -> bytes:
    """A real PNG of one colour: honest header, a thousandth of the size it unpacks to."""
    channels = {0: 1, 2: 3}[colour]
    packer = zlib.compressobj(9)
    row = bytes(1 + width * channels)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def scan_bomb(scans: int, side: int = 2000) -> bytes:
    """A progressive JPEG whose last scan comes so many times: each costs a walk over the whole picture."""
    out = io.BytesIO()
    Pillow.new("L", (side, side), 90).save(out, "JPEG", progressive=True, quality=10)
    body = out.getvalue()
    last = body.rfind(b"\xff\xda")
    return body[:last] + body[last:-2] * scans + body[-2:]


def _lying_tiff(body: bytes, width: int, height: int) -> bytes:
    order = "<" if body.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(order + "I", body, 4)
    (entries,) = struct.unpack_from(order + "H", body, directory)
    lied = bytearray(body)
    for at in range(directory + 2, directory + 2 + 12 * entries, 12):
        (tag,) = struct.unpack_from(order + "H", body, at)
        if tag in (256, 257):
            struct.pack_into(order + "HII", lied, at + 2, 4, 1, (width if tag == 256 else height) & 0xFFFFFFFF)
    return bytes(lied)
