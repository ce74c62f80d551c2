"""Folders of a container that S3 has, too, while the container runs: checkpoints, TensorBoard's events."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from phenoloop.local_aws.sagemaker.s3_files import S3Files, S3Unwritable

EVERY_S = 2.0


class Mirror:
    """One folder and its place in S3. Nothing is ever deleted there."""

    def __init__(self, files: S3Files, folder: Path, url: str) -> None:
        self._files = files
        self._folder = folder
        self._url = url
        self._uploaded: dict[Path, tuple[int, int]] = {}

    def restore(self) -> None:
        """Raises S3Unreadable."""
        self._files.restore(self._url, self._folder)
        self._uploaded = self._there()

    def upload(self) -> None:
        """What changed since the last time. Raises S3Unwritable."""
        there = self._there()
        changed = [file for file, stamp in there.items() if self._uploaded.get(file) != stamp]
        self._files.upload_files(self._folder, changed, self._url)
        self._uploaded = there

    def _there(self) -> dict[Path, tuple[int, int]]:
        """Each file with its size and the time of its last change; one that has just gone is none."""
        found = {}
        for file in sorted(self._folder.rglob("*")):
            try:
                seen = file.stat()
            except FileNotFoundError:
                continue
            if file.is_file():
                found[file] = (seen.st_size, seen.st_mtime_ns)
        return found


@contextmanager
def uploading(mirrors: Sequence[Mirror]) -> Iterator[None]:
    """Upload every few seconds, inside. A failure is tried again; the last upload is the caller's."""
    over = threading.Event()

    def upload() -> None:
        while not over.wait(EVERY_S):
            for mirror in mirrors:
                try:
                    mirror.upload()
                except S3Unwritable as error:
                    structlog.get_logger().warning("not uploaded yet", error=str(error))

    thread = threading.Thread(target=upload, name="uploads of a job", daemon=True)
    if mirrors:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if mirrors:
            thread.join()
