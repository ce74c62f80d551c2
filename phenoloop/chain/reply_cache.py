"""What the last model answered about a photo, kept on disk: under the same release no model is asked again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from phenoloop.chain.disk_cache import DiskCache

_DIGEST_BYTES = 16


class ReplyCache:
    """Raw replies by release and photo. The photo's scale counts for nothing here: models don't see it."""

    def __init__(self, files: DiskCache) -> None:
        self._files = files

    def known(self, release: str, etag: str, photo: Path) -> str | None:
        """None also if the file is not what was written: a power cut may tear it."""
        if (file := self._files.opened(*_name(release, etag, photo))) is None:
            return None
        with file:
            digest, reply = file.read(_DIGEST_BYTES), file.read()
        return reply.decode() if digest == _digest(reply) else None

    def keep(self, release: str, etag: str, photo: Path, reply: str) -> None:
        """A disk that takes no more is told of, and costs nobody a reply."""
        body = reply.encode()
        try:
            with self._files.written(*_name(release, etag, photo)) as file:
                file.write(_digest(body) + body)
        except OSError as error:
            structlog.get_logger().warning("reply not kept", reason=str(error))

    def drop(self, release: str, etag: str, photo: Path) -> None:
        self._files.drop(*_name(release, etag, photo))


def _name(release: str, etag: str, photo: Path) -> tuple[str, ...]:
    return release, etag, str(photo.stat().st_size)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
