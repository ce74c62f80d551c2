"""Child processes: started, waited for until ready, restarted when they die, stopped in reverse order."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests
import structlog

from phenoloop.errors import LocalStackError

PR_SET_PDEATHSIG = 1  # linux/prctl.h
RESTART_PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Service:
    """One program of the stack."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    """Working directory."""
    is_ready: Callable[[], bool]
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 15.0


@dataclass(slots=True)
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    restarts: int = 0
    restart_at_s: float | None = None
    started_s: float = field(default_factory=time.monotonic)


class Supervisor:
    """Owns the children of one stack; every call comes from the thread that made it.

    A child gets SIGTERM from the kernel should its supervisor die without a word (Linux).
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, _Child] = {}
        self._log = structlog.get_logger()
        self._preparation = parent_death_preparation()
        logs.mkdir(parents=True, exist_ok=True)

    @property
    def pids(self) -> dict[str, int]:
        return {name: child.process.pid for name, child in self._children.items()}

    def start(self, service: Service) -> None:
        """Start it, without waiting."""
        self._children[service.name] = _Child(service, self._spawn(service))

    def wait_until_ready(self, name: str) -> None:
        """Raises LocalStackError with the end of the log if it dies first or takes too long."""
        child = self._children[name]
        deadline_s = time.monotonic() + child.service.ready_timeout_s
        while not child.service.is_ready():
            if child.process.poll() is not None:
                raise self._failure("A service stopped while starting.", child.service)
            if time.monotonic() > deadline_s:
                raise self._failure("A service did not become ready in time.", child.service)
            time.sleep(0.1)

    def restart_dead(self) -> list[str]:
        """Start again what died, with a growing pause; the names of those started now."""
        started = []
        for name, child in self._children.items():
            now_s = time.monotonic()
            if child.process.poll() is None:
                if child.restarts and now_s - child.started_s > RESTART_PAUSES_S[-1]:
                    child.restarts = 0
            elif child.restart_at_s is None:
                pause_s = RESTART_PAUSES_S[min(child.restarts, len(RESTART_PAUSES_S) - 1)]
                child.restart_at_s = now_s + pause_s
                code = child.process.returncode
                self._log.warning("service stopped by itself", service=name, exit_code=code, restart_in_s=pause_s)
            elif now_s >= child.restart_at_s:
                child.process, child.started_s = self._spawn(child.service), now_s
                child.restarts, child.restart_at_s = child.restarts + 1, None
                started.append(name)
        return started

    def stop(self) -> None:
        """Stop all, last started first; a process group that does not go is killed."""
        for child in reversed(self._children.values()):
            stop_group(child.process.pid, timeout_s=child.service.stop_timeout_s)
            child.process.wait()
        self._children.clear()

    def _spawn(self, service: Service) -> subprocess.Popen[bytes]:
        with (self._logs / f"{service.name}.log").open("ab") as log:
            return subprocess.Popen(
                list(service.command),
                cwd=service.folder,
                env=dict(service.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._preparation,  # one system call, looked up beforehand
            )

    def _failure(self, message: str, service: Service) -> LocalStackError:
        log = self._logs / f"{service.name}.log"
        tail = " | ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
        return LocalStackError(message, cure=f"See {log}. It ends: {tail[-500:]}", service=service.name)


def parent_death_preparation() -> Callable[[], None] | None:
    """What ties a child to this process, run between fork and exec: SIGTERM when its parent is gone (Linux).

    The system call is looked up here: after a fork of a process with threads the dynamic linker's lock may be held
    for ever. See prctl(2), PR_SET_PDEATHSIG.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return None
    parent = os.getpid()

    def tie_to_parent() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return tie_to_parent


def stop_group(pid: int, *, timeout_s: float) -> None:
    """SIGTERM the process and, once it is gone or late, SIGKILL what is left of its group."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.wait(timeout_s)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        structlog.get_logger().warning("process ignored SIGTERM", pid=pid)
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def answers(url: str, *, timeout_s: float = 2.0) -> bool:
    """Whether a GET of `url` is answered with success."""
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands before this machine's own services
        try:
            return session.get(url, timeout=timeout_s).ok
        except requests.RequestException:
            return False
