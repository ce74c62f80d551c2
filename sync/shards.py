"""The shards of a snapshot: photos by the hash of their URI, so that a change rewrites only its own share.

A shard is the gzip of JSON lines sorted by photo, named by its SHA-256.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import io
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain

from sync.gzipped import lines


def shard_of(photo: str) -> str:
    """Two hex digits."""
    return hashlib.sha256(photo.encode()).hexdigest()[:2]


def by_shard(photos: Iterable[str]) -> dict[str, list[str]]:
    """Sorted photos by their shard."""
    shards: dict[str, list[str]] = defaultdict(list)
    for photo in sorted(photos):
        shards[shard_of(photo)].append(photo)
    return shards


def rewritten(
    before: bytes | None, gone: Collection[str], fresh: Iterable[str], line: Callable[[str], bytes]
) -> bytes | None:
    """The shard without the photos `gone` and with `fresh` ones (sorted), whose lines `line` gives; None if empty.

    Lines that stay are copied byte by byte. Raises ValueError if `before` is no shard.
    """
    stays = ((photo, text) for photo, text in _lines(before) if photo not in gone)
    comes = ((photo, line(photo)) for photo in fresh)
    merged = heapq.merge(stays, comes, key=lambda pair: pair[0])
    first = next(merged, None)
    if first is None:
        return None
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as file:
        for _, text in chain([first], merged):
            file.write(text)
    return packed.getvalue()


def _lines(shard: bytes | None) -> Iterator[tuple[str, bytes]]:
    for text in lines(shard) if shard is not None else ():
        try:
            yield str(json.loads(text)["photo"]), text
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("a line of no photo") from error
