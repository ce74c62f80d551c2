"""Where workers and sync tell how they do."""

import json
import socket
from typing import Any

import pytest
import requests

from phenoloop.door import Console, Door, open_door
from phenoloop.errors import SettingsInvalid
from phenoloop.metrics import Metrics
from phenoloop.settings import MonitoringSettings


def asked(door: Door, path: str) -> tuple[str, str]:
    said: list[Any] = []
    (body,) = door({"PATH_INFO": path}, lambda status, headers: said.append(status))
    return said[0], body.decode()


def test_one_that_can_work_is_up_and_ready() -> None:
    door = Door(Metrics(), list)
    assert asked(door, "/health")[0] == asked(door, "/ready")[0] == "200 OK"
    assert json.loads(asked(door, "/ready")[1]) == {"ready": True, "problems": []}


def test_one_that_can_not_work_is_up_but_not_ready_and_says_why() -> None:
    door = Door(Metrics(), lambda: ["No release is live."])
    assert asked(door, "/health")[0] == "200 OK"
    status, body = asked(door, "/ready")
    assert status == "503 Service Unavailable"
    assert json.loads(body) == {"ready": False, "problems": ["No release is live."]}


def test_one_that_hangs_is_not_up() -> None:
    status, body = asked(Door(Metrics(), list, lambda: "release: one look has lasted for 1801 s."), "/health")
    assert status == "503 Service Unavailable"
    assert "1801 s" in body


def test_other_paths_are_told_what_there_is() -> None:
    status, body = asked(Door(Metrics(), list), "/../etc/passwd")
    assert (status, "/metrics" in body) == ("404 Not Found", True)


def console(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"the console"]


@pytest.mark.parametrize("path", ["/console", "/console/runs/abc"])
def test_the_console_is_behind_the_same_door(path: str) -> None:
    assert asked(Door(Metrics(), list, console=Console(console, 1024)), path) == ("200 OK", "the console")


@pytest.mark.parametrize("path", ["/consoles", "/x/console", "console", "/health"])
def test_nothing_else_leads_to_the_console(path: str) -> None:
    assert asked(Door(Metrics(), list, console=Console(console, 1024)), path)[1] != "the console"


def test_a_process_without_a_console_has_none() -> None:
    assert asked(Door(Metrics(), list), "/console")[0] == "404 Not Found"


def test_an_open_door_answers_over_http() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    open_door(MonitoringSettings(port=port), Door(Metrics(), list))
    assert "phenoloop" in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    assert "Server" not in requests.get(f"http://127.0.0.1:{port}/health", timeout=5).headers


def test_a_taken_port_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = MonitoringSettings(port=taken.getsockname()[1])
        with pytest.raises(SettingsInvalid, match="PHENOLOOP_MONITORING__PORT"):
            open_door(settings, Door(Metrics(), list))


def test_without_a_port_nothing_is_opened() -> None:
    open_door(MonitoringSettings(), Door(Metrics(), list))
