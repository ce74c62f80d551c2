"""`model.tar.gz` unpacked, whoever wrote it."""

import gzip
import json
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import ArchiveInvalid

LIMIT_BYTES = 8 * 2**30
"""Of all files together."""
LIMIT_FILES = 10_000
LIMIT_HEADER_BYTES = 2**20

_NEEDED = ("model.json", "code/inference.py")


@dataclass(frozen=True, slots=True)
class Archive:
    folder: Path
    about: dict[str, Any]
    """`model.json`."""


def unpacked(archive: Path, folder: Path) -> Archive | None:
    """The archive's content in `folder`; None if it only says, by `unchanged.json`, that the live model stays.

    Raises ArchiveInvalid.
    """
    extract(archive, folder)
    if (folder / "unchanged.json").is_file():
        return None
    try:
        about = json.loads((folder / "model.json").read_text())
    except (OSError, ValueError) as error:
        raise ArchiveInvalid(f"{archive.parent.name}/{archive.name} has no model.json: {error!r}.") from error
    if not isinstance(about, dict) or not all((folder / name).is_file() for name in _NEEDED):
        raise ArchiveInvalid(f"{archive.parent.name}/{archive.name} lacks one of {_NEEDED}.")
    return Archive(folder, about)


def extract(archive: Path, folder: Path, *, limit_bytes: int = LIMIT_BYTES, limit_files: int = LIMIT_FILES) -> None:
    """The archive's files in `folder`, and nothing outside of it.

    Refused are links, devices, paths that lead out, and more or larger files than a model has. Raises ArchiveInvalid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left_bytes, left_files = limit_bytes, limit_files
    try:
        with _Unzipped(archive) as unzipped, tarfile.open(fileobj=unzipped, mode="r:") as tar:
            for member in tar:
                left_bytes, left_files = left_bytes - member.size, left_files - 1
                if left_bytes < 0 or left_files < 0:
                    raise ArchiveInvalid(f"{archive.name} holds over {limit_bytes} bytes or {limit_files} files.")
                tar.extract(member, folder, filter=_plain)
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise ArchiveInvalid(f"{archive.parent.name}/{archive.name} can't be unpacked: {error!r}.") from error


class _Unzipped(gzip.GzipFile):
    """tarfile reads files in small parts, but headers as a whole, however long they say that they are."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > LIMIT_HEADER_BYTES:
            raise tarfile.ReadError("a header is too long")
        return super().read(size)


def _plain(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    if not (member.isfile() or member.isdir()):
        raise tarfile.SpecialFileError(member)
    return tarfile.data_filter(member, folder)
