"""Gzip of JSON lines, as snapshots keep indexes and shards, read within bounds: a bomb unpacks to a thousand times."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

MAX_BYTES = 1 << 30
"""A file that unpacks to more is refused."""
MAX_LINE_BYTES = 1 << 26
"""So is one with a longer line, and an annotation that would make one."""


def lines(body: bytes) -> Iterator[bytes]:
    """Each with its newline. Raises ValueError if the body is no gzip, torn, or too much."""
    total = 0
    with _opened(body) as file:
        while line := file.readline(MAX_LINE_BYTES + 1):
            total += len(line)
            if len(line) > MAX_LINE_BYTES or total > MAX_BYTES:
                raise ValueError("it unpacks to too much")
            yield line


def text(body: bytes) -> bytes:
    """All of it. Raises ValueError like `lines`."""
    with _opened(body) as file:
        unpacked = file.read(MAX_BYTES + 1)
    if len(unpacked) > MAX_BYTES:
        raise ValueError("it unpacks to too much")
    return unpacked


@contextmanager
def _opened(body: bytes) -> Iterator[gzip.GzipFile]:
    if not body:
        raise ValueError("it is empty")  # to gzip that is a file of nothing
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError("it is no gzip, or torn") from error
