"""The body of an AWS answer, read as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from phenoloop.deadlines import require_time

if TYPE_CHECKING:
    from botocore.response import StreamingBody

CHUNK_BYTES = 1024 * 1024


def chunks(body: StreamingBody) -> Iterator[bytes]:
    """All of the body, whatever its pace, within the time limit.

    Raises TimeOver, and what botocore raises of a body that breaks off, is too short or has another checksum.
    """
    raw = getattr(body, "_raw_stream", None)
    if hasattr(raw, "read1"):
        body._raw_stream = _AsItComes(raw)  # type: ignore[attr-defined]  # noqa: SLF001  # there is no other way in
    try:
        while chunk := body.read(CHUNK_BYTES):
            yield chunk
            require_time()
    finally:
        body.close()


def at_most(body: StreamingBody, most_bytes: int) -> bytes:
    """The whole body or, if it is longer, more than `most_bytes` of it. Raises what `chunks` raises.

    botocore's own `read` of so many bytes takes a body that broke off for a short one.
    """
    read = bytearray()
    for chunk in chunks(body):
        read += chunk
        if len(read) > most_bytes:
            break
    return bytes(read)


class _AsItComes:
    """A raw stream whose `read` answers with what is there.

    urllib3's waits for all that it was asked for: of a body that trickles, hours.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, most_bytes: int) -> bytes:
        return bytes(self._raw.read1(most_bytes))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
