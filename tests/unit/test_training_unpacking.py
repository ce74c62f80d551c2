"""An archive is unpacked into its folder or refused, whoever wrote it."""

import gzip
import io
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from training.archives.unpacking import extract, unpacked
from training.errors import ArchiveInvalid


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for field, value in more.items():
        setattr(made, field, value)
    return made


def archive(folder: Path, *members: tarfile.TarInfo) -> Path:
    """Each member holds as many x as its size says."""
    file = folder / "model.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        for item in members:
            tar.addfile(item, io.BytesIO(b"x" * item.size))
    return file


def test_files_and_folders_are_unpacked_without_special_rights(tmp_path: Path) -> None:
    extract(
        archive(tmp_path, member("code", tarfile.DIRTYPE), member("code/a.py", size=3, mode=0o7777)), tmp_path / "m"
    )
    file = tmp_path / "m" / "code" / "a.py"
    assert file.read_text() == "xxx"
    assert file.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWOTH | stat.S_IWGRP) == 0


@pytest.mark.parametrize(
    "bad",
    [
        member("../out"),
        member("a/../../out"),
        member("link", tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("link", tarfile.SYMTYPE, linkname="model.json"),
        member("link", tarfile.LNKTYPE, linkname="../out"),
        member("device", tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("device", tarfile.BLKTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda bad: f"{bad.name}-{bad.type.decode()}-{bad.linkname}",
)
def test_what_leads_out_or_is_no_plain_file_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    with pytest.raises(ArchiveInvalid):
        extract(archive(tmp_path, member("model.json", size=2), bad), tmp_path / "into" / "m")
    assert {path.name for path in tmp_path.rglob("*")} <= {"model.tar.gz", "into", "m", "model.json"}


def test_an_absolute_path_stays_in_the_folder(tmp_path: Path) -> None:
    extract(archive(tmp_path, member(f"{tmp_path}/out", size=1)), tmp_path / "m")
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_refused_before_it_is_written(tmp_path: Path) -> None:
    bomb = archive(tmp_path, member("small", size=900), member("large", size=200))
    with pytest.raises(ArchiveInvalid, match="1000 bytes"):
        extract(bomb, tmp_path / "m", limit_bytes=1000)
    assert not (tmp_path / "m" / "large").exists()


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    many = archive(tmp_path, *(member(str(number)) for number in range(4)))
    with pytest.raises(ArchiveInvalid, match="3 files"):
        extract(many, tmp_path / "m", limit_files=3)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path: Path, kind: bytes) -> None:
    header = member("x", kind, size=64 * 2**20).tobuf(tarfile.USTAR_FORMAT)
    file = tmp_path / "model.tar.gz"
    with gzip.open(file, "wb", 1) as out:
        out.write(header + bytes(64 * 2**20))
    with pytest.raises(ArchiveInvalid, match="too long"):
        extract(file, tmp_path / "m")


def broken(file: Path, change: Callable[[bytes], bytes]) -> Path:
    file.write_bytes(change(file.read_bytes()))
    return file


@pytest.mark.parametrize(
    "change",
    [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"no archive", lambda b: b[:30] + b"\xff" * 9 + b[39:]],
)
def test_what_is_no_whole_archive_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    file = broken(archive(tmp_path, member("model.json", size=100_000)), change)
    with pytest.raises(ArchiveInvalid):
        unpacked(file, tmp_path / "m")
