"""Children are started, watched, restarted and stopped; none is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from phenoloop.errors import LocalStackError
from phenoloop.local_aws.processes import Service, Supervisor

pytestmark = pytest.mark.integration

SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
WITH_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "logs")
    yield made
    made.stop()


def service(
    code: str, folder: Path, *, is_ready: Callable[[], bool] = lambda: True, ready_timeout_s: float = 5.0
) -> Service:
    return Service(
        name="child",
        command=[sys.executable, "-c", code],
        environment=dict(os.environ),
        folder=folder,
        is_ready=is_ready,
        ready_timeout_s=ready_timeout_s,
        stop_timeout_s=1.0,
    )


def eventually(true: Callable[[], bool], *, within_s: float = 10.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_a_child_that_dies_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(service(SLEEP, tmp_path))
    first = supervisor.pids["child"]
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: supervisor.restart_dead() == ["child"])
    assert supervisor.pids["child"] != first


def test_a_child_that_dies_while_starting_is_an_error_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(service("raise SystemExit('no such database')", tmp_path, is_ready=lambda: False))
    with pytest.raises(LocalStackError, match="no such database"):
        supervisor.wait_until_ready("child")


def test_a_child_that_never_gets_ready_is_an_error(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(service(SLEEP, tmp_path, is_ready=lambda: False, ready_timeout_s=0.2))
    with pytest.raises(LocalStackError, match="ready in time"):
        supervisor.wait_until_ready("child")


def test_a_child_that_ignores_sigterm_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(service(STUBBORN, tmp_path))
    pid = supervisor.pids["child"]
    log = tmp_path / "logs" / "child.log"
    assert eventually(lambda: "up" in log.read_text())
    supervisor.stop()
    assert not psutil.pid_exists(pid)


def test_grandchildren_go_with_their_parent(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(service(WITH_CHILD, tmp_path))
    parent = psutil.Process(supervisor.pids["child"])
    assert eventually(lambda: bool(parent.children()))
    (grandchild,) = parent.children()
    supervisor.stop()
    assert eventually(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_children_go_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    program = f"""
import sys, time
from pathlib import Path
from phenoloop.local_aws.processes import Service, Supervisor
supervisor = Supervisor(Path({str(tmp_path)!r}))
supervisor.start(Service("child", [sys.executable, "-c", {SLEEP!r}], {{}}, Path("/"), lambda: True))
print(supervisor.pids["child"], flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
