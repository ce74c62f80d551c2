"""`python -m serving`: the container's entry point. gunicorn on SageMaker's port, with graceful SIGTERM."""

import os
import select
import sys
from socket import socket
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from serving.memory import keep_freed_memory

if TYPE_CHECKING:
    from serving.app import InferenceApp

GRACEFUL_S = 25
"""SageMaker kills 30 s after SIGTERM."""
LEAST_THREADS = 16
IN_A_ROW = 16
"""Requests of one connection that a thread answers before it turns to others that wait."""
SWITCH_S = 0.001
"""Instead of Python's 5 ms: so long at most an answer waits for the interpreter behind each thread at work."""


class Server(BaseApplication):  # type: ignore[misc]
    """One worker, so one model in memory; torch lets go of the interpreter, so its threads do share the cores.

    A request computes on one core, and no more requests than cores compute at once. There are more threads, so that
    `/ping` and photos that are still coming in find one while others wait for their turn.
    """

    def load_config(self) -> None:
        for name, value in _settings(os.environ).items():
            self.cfg.set(name, value)

    def load(self) -> "InferenceApp":
        from serving.app import create_app  # in the worker: what both had imported would soon be there twice

        keep_freed_memory()
        sys.setswitchinterval(SWITCH_S)
        return create_app()


class Worker(ThreadWorker):  # type: ignore[misc]
    """Two things unlike gunicorn's own.

    A caller who has asked again already is answered by the thread that has just answered, which saves two hand-overs.
    Told to stop, it refuses new connections at once, rather than leave them waiting until it has ended.
    """

    def handle(self, connection: Any) -> object:
        """True: the connection is kept open."""
        for _ in range(IN_A_ROW):
            kept: object = super().handle(connection)
            if kept is not True or not self.alive or not _has_asked(connection.sock):
                break
        return kept

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()


def main() -> None:
    """Environment: `SAGEMAKER_BASE_DIR` (/opt/ml), `SAGEMAKER_BIND_TO_PORT` (8080), `SAGEMAKER_MODEL_SERVER_WORKERS`
    (1), `SERVING_THREADS` (four a core), `OMP_NUM_THREADS` (1), `SERVING_HOST` (all interfaces), `PHENOLOOP_ENDPOINT`
    (the endpoint's name, for its metrics).
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    Server().run()


def _has_asked(caller: socket) -> bool:
    poll = select.poll()
    poll.register(caller, select.POLLIN)
    return bool(poll.poll(0))


def _settings(environment: "os._Environ[str]") -> dict[str, Any]:
    host = environment.get("SERVING_HOST", "0.0.0.0")  # noqa: S104  # SageMaker asks from outside the container
    return {
        "bind": f"{host}:{environment.get('SAGEMAKER_BIND_TO_PORT', '8080')}",
        "worker_class": Worker,
        "workers": int(environment.get("SAGEMAKER_MODEL_SERVER_WORKERS", "1")),
        "threads": int(environment.get("SERVING_THREADS", str(_threads()))),
        "timeout": 120,
        "graceful_timeout": GRACEFUL_S,
        "loglevel": "warning",
        "control_socket_disable": True,
    }


def _threads() -> int:
    return max(LEAST_THREADS, 4 * len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    main()
