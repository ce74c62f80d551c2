"""`model.tar.gz` unpacked, whoever wrote it."""

import json
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import ArchiveInvalid

LIMIT_BYTES = 8 * 2**30
"""Of all files together."""

_NEEDED = ("model.json", "code/inference.py")


@dataclass(frozen=True, slots=True)
class Archive:
    folder: Path
    about: dict[str, Any]
    """`model.json`."""


def unpacked(archive: Path, folder: Path) -> Archive | None:
    """The archive's content in `folder`; None if it only says, by `unchanged.json`, that the live model stays.

    Nothing is written outside `folder`: links, devices and paths that lead out are refused. Raises ArchiveInvalid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as tar:
            if sum(member.size for member in tar.getmembers()) > LIMIT_BYTES:
                raise ArchiveInvalid(f"{archive.name} unpacks to more than {LIMIT_BYTES} bytes.")
            tar.extractall(folder, filter=_plain)  # noqa: S202  # filtered
        if (folder / "unchanged.json").is_file():
            return None
        about = json.loads((folder / "model.json").read_text())
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise ArchiveInvalid(f"{archive.parent.name}/{archive.name} can't be unpacked: {error!r}.") from error
    if not isinstance(about, dict) or not all((folder / name).is_file() for name in _NEEDED):
        raise ArchiveInvalid(f"{archive.parent.name}/{archive.name} lacks one of {_NEEDED}.")
    return Archive(folder, about)


def _plain(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    if not (member.isfile() or member.isdir()):
        raise tarfile.SpecialFileError(member)
    return tarfile.data_filter(member, folder)
