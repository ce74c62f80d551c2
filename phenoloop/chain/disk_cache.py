"""What can be fetched or made again, kept on disk: shared by all processes of this machine's user, and bounded."""

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from phenoloop.errors import SettingsInvalid

_UNFINISHED = ".unfinished-"
_UNFINISHED_S = 3600.0
"""What is not in place after so long was left behind by a process that was killed."""
_SWEPT_AFTER = 1 / 16
_KEPT_OF_FULL = 0.9


class DiskCache:
    """Files by name, in a private folder of their own. A file is there whole or not at all, whoever is killed when.

    After each sixteenth of `max_bytes` that a process writes it sweeps: what was not used for longest goes. Safe to use
    from many threads and processes.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Raises SettingsInvalid if the folder can't be made, or is another's or open to others."""
        self._folder, self._max_bytes = folder, max_bytes
        self._unswept_bytes = max_bytes  # sweeps at the first write: what is there may be from a larger setting
        self._lock = threading.Lock()
        _make_private(folder)

    def opened(self, *name: str) -> IO[bytes] | None:
        """Its file, which stays readable though the cache lets go of it; None if there is none."""
        path = self._path(name)
        try:
            file = path.open("rb")
        except OSError:
            return None
        with suppress(OSError):
            os.utime(path)
        return file

    @contextmanager
    def written(self, *name: str) -> Iterator[IO[bytes]]:
        """A file to write, in place after the `with` block unless that raises. Raises OSError."""
        with tempfile.NamedTemporaryFile(prefix=_UNFINISHED, dir=self._folder, delete=False) as file:
            try:
                yield file
                file.flush()
                size_bytes = file.tell()
                Path(file.name).replace(self._path(name))
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        self._sweep_after(size_bytes)

    def drop(self, *name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: tuple[str, ...]) -> Path:
        return self._folder / hashlib.sha256("\0".join(name).encode(errors="surrogatepass")).hexdigest()

    def _sweep_after(self, written_bytes: int) -> None:
        with self._lock:
            self._unswept_bytes += written_bytes
            if self._unswept_bytes < _SWEPT_AFTER * self._max_bytes:
                return
            self._unswept_bytes = 0
        self._sweep()

    def _sweep(self) -> None:
        found, now_s = [], time.time()
        for entry in os.scandir(self._folder):
            with suppress(OSError):  # another process swept it away
                facts = entry.stat(follow_symlinks=False)
                if not entry.name.startswith(_UNFINISHED):
                    found.append((facts.st_mtime_ns, facts.st_size, entry.path))
                elif now_s - facts.st_mtime > _UNFINISHED_S:
                    Path(entry.path).unlink()
        total_bytes = sum(size_bytes for _, size_bytes, _ in found)
        if total_bytes <= self._max_bytes:
            return
        for _, size_bytes, path in sorted(found):
            Path(path).unlink(missing_ok=True)
            total_bytes -= size_bytes
            if total_bytes <= _KEPT_OF_FULL * self._max_bytes:
                return


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except OSError as error:
        raise SettingsInvalid("The cache's folder can't be made.", folder=folder, reason=str(error)) from error
    if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        cure = f"chmod 700 {folder}, or name another one in PHENOLOOP_CHAIN__CACHE_FOLDER."
        raise SettingsInvalid("The cache's folder is another's, or open to others.", cure=cure, folder=folder)
