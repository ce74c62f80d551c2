"""Importing a module defines things and does nothing else: no files, sockets, processes, threads, environment."""

import subprocess
import sys
from pathlib import Path

import pytest

WATCH = Path(__file__).with_name("import_watch.py")
REPOSITORY = Path(__file__).parents[2]


def work_done(folder: Path, *rooms: str) -> list[str]:
    command = [sys.executable, str(WATCH), str(folder), *rooms]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n") if done.stdout else []


def test_no_module_of_ours_works_when_it_is_imported() -> None:
    assert work_done(REPOSITORY, "loc360", "phenoloop", "ml_backend", "sync") == []


@pytest.mark.parametrize(
    ("line", "work"),
    [
        ("import pathlib; TEXT = pathlib.Path(__file__).read_text()", "open"),
        ("import os; HOME = os.environ.get('HOME')", "environment"),
        ("import os; HOME = os.getenv('HOME')", "environment"),
        ("import socket; SOCKET = socket.socket(); SOCKET.close()", "socket.__new__"),
        ("import threading; threading.Thread(target=print).start()", "threading.Thread"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import boto3; S3 = boto3.client('s3', region_name='eu-central-1')", "open"),
    ],
)
def test_what_would_do_so_is_seen(tmp_path: Path, line: str, work: str) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "busy.py").write_text(line)
    assert f"room/busy.py:1: {work}" in work_done(tmp_path, "room")
