"""The command line says in one line what is wrong and what to do."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from phenoloop.demo.state import DataFolder, Ports
from phenoloop.errors import LocalStackError, SettingsInvalid
from tests.conftest import free_ports, phenoloop


def test_an_error_is_one_line_with_the_cure_and_no_traceback(tmp_path: Path) -> None:
    done = phenoloop("status", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "phenoloop up" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_debug_shows_where_an_error_comes_from(tmp_path: Path) -> None:
    done = phenoloop("--debug", "status", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_folder_of_photos_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = phenoloop("up", "--data-dir", str(tmp_path / "data"), "--images", str(tmp_path / "none"))
    assert done.returncode == 1
    assert not (tmp_path / "data").exists()


def test_an_unknown_port_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(SettingsInvalid, match="label_studio"):
        Ports.parse(["browser=80"])


@pytest.mark.parametrize("words", [["s3=99999"], ["s3=0"], ["s3=many"], ["s3=9090"], ["s3"]])
def test_a_port_that_can_not_be_is_refused(words: list[str]) -> None:
    with pytest.raises(SettingsInvalid, match="1 to 65535"):
        Ports.parse(words)


def test_an_error_may_hold_brackets(tmp_path: Path) -> None:
    done = phenoloop("status", "--data-dir", str(tmp_path / "[/red]"))
    assert done.returncode == 1
    assert "[/red]" in done.stderr


def test_a_labelling_configuration_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "config.xml").write_text("no labels here")
    done = phenoloop("up", "--data-dir", str(tmp_path / "data"), "--label-config", str(tmp_path / "config.xml"))
    assert done.returncode == 1
    assert not (tmp_path / "data" / "logs" / "ministack.log").exists()


def test_a_taken_port_is_named_with_the_option_that_changes_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = Ports.model_validate(free_ports() | {"s3": port})
        with pytest.raises(LocalStackError, match=f"port={port}.*--port s3=NUMBER"):
            ports.require_free()


def test_a_data_folder_takes_one_stack_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.lock(), pytest.raises(LocalStackError, match="already runs"):
        folder.lock()


def test_a_data_folder_that_exists_becomes_its_owners_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    DataFolder(tmp_path).lock().close()
    assert tmp_path.stat().st_mode & 0o077 == 0


def test_a_folder_that_holds_other_things_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(SettingsInvalid, match="other things"):
        DataFolder(tmp_path).lock()
    assert tmp_path.stat().st_mode & 0o077 == 0o055


def test_a_folder_is_locked_as_long_as_a_stack_holds_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert not folder.is_locked()
    with folder.lock():
        assert folder.is_locked()
    assert not folder.is_locked()


def test_a_socket_lies_in_the_data_folder_or_privately_elsewhere_if_its_path_is_too_long(tmp_path: Path) -> None:
    assert DataFolder(tmp_path).socket_path("redis.sock") == tmp_path / "redis.sock"
    elsewhere = DataFolder(tmp_path / ("long" * 30)).socket_path("redis.sock")
    assert len(str(elsewhere)) < 107
    assert elsewhere.parent.stat().st_mode & 0o077 == 0
    elsewhere.parent.chmod(0o755)
    with pytest.raises(LocalStackError, match="not private"):
        DataFolder(tmp_path / ("long" * 30)).socket_path("redis.sock")
    elsewhere.parent.rmdir()


def test_the_status_of_a_start_that_failed_shows_only_what_there_is(tmp_path: Path) -> None:
    DataFolder(tmp_path).write_status({"pid": os.getpid(), "ready": False, "processes": {}})
    done = phenoloop("status", "--data-dir", str(tmp_path))
    assert done.returncode == 3
    assert "None" not in done.stdout


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.secrets() == folder.secrets()
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


def test_a_stack_that_was_killed_is_reported_as_down(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    folder.write_status({"pid": gone.pid, "ready": True, "processes": {}})
    done = phenoloop("status", "--json", "--data-dir", str(tmp_path))
    assert done.returncode == 3
    assert json.loads(done.stdout)["ready"] is False


def test_the_status_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    DataFolder(tmp_path).write_status({"pid": os.getpid(), "ready": False})
    assert (tmp_path / "status.json").stat().st_mode & 0o077 == 0
