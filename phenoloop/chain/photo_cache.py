"""Photos on this machine's disk, so that S3 need not send again what did not change."""

from __future__ import annotations

import shutil
from typing import IO

import structlog

from phenoloop.chain.disk_cache import DiskCache


class PhotoCache:
    """By URI and ETag. Who asks it compares the ETag with S3's own."""

    def __init__(self, files: DiskCache) -> None:
        self._files = files

    def etag(self, uri: str) -> str | None:
        """Of what was last kept of it."""
        if (file := self._files.opened("etag", uri)) is None:
            return None
        with file:
            return file.read().decode(errors="replace")

    def opened(self, uri: str, etag: str, size_bytes: int) -> IO[bytes] | None:
        """Its bytes; None if they are not there, or not as many: a power cut may tear a file."""
        if (file := self._files.opened("photo", uri, etag)) is None:
            return None
        if file.seek(0, 2) != size_bytes:
            file.close()
            return None
        return file

    def keep(self, uri: str, etag: str, photo: IO[bytes]) -> None:
        """A disk that takes no more is told of, and costs nobody a photo."""
        photo.seek(0)
        try:
            with self._files.written("photo", uri, etag) as file:
                shutil.copyfileobj(photo, file)
            with self._files.written("etag", uri) as file:
                file.write(etag.encode())
        except OSError as error:
            structlog.get_logger().warning("photo not kept", reason=str(error))
