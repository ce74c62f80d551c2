"""Where a process without a web face of its own tells how it does: `/health`, `/ready`, `/metrics`.

For the machine's own network only: read-only, without secrets, and without credentials. Behind the same door sync has
its console, which asks for them.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication

import structlog
import waitress  # type: ignore[import-untyped]
from prometheus_client import CONTENT_TYPE_LATEST

from phenoloop.errors import SettingsInvalid
from phenoloop.metrics import Metrics
from phenoloop.settings import MonitoringSettings

THREADS = 2
CONSOLE_THREADS = 8
"""Whoever waits at the console keeps no look at the health waiting."""
SLOW_CLIENT_S = 10
Answer = tuple[HTTPStatus, str, str]
"""Status, content type, body."""


@dataclass(frozen=True, slots=True)
class Console:
    """What answers on `/console` and below; whom it answers is its own business."""

    app: WSGIApplication
    max_body_bytes: int


class Door:
    """The WSGI application."""

    def __init__(
        self,
        metrics: Metrics,
        problems: Callable[[], list[str]],
        stuck: Callable[[], str] = str,
        console: Console | None = None,
    ) -> None:
        """`problems` keep the process from doing its work now; `stuck` says why only a restart helps, or nothing."""
        self._metrics, self._problems, self._stuck, self._console = metrics, problems, stuck, console

    @property
    def threads(self) -> int:
        return CONSOLE_THREADS if self._console else THREADS

    @property
    def max_body_bytes(self) -> int:
        return self._console.max_body_bytes if self._console else 1024

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if self._console and environ["PATH_INFO"].split("/")[1:2] == ["console"]:
            return self._console.app(environ, start_response)
        status, content_type, text = self._answer(environ["PATH_INFO"])
        body = text.encode()
        headers = {"Content-Type": content_type, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [body]

    def _answer(self, path: str) -> Answer:
        match path:
            case "/health":
                stuck = self._stuck()
                status = HTTPStatus.SERVICE_UNAVAILABLE if stuck else HTTPStatus.OK
                return _json(status, {"status": "STUCK" if stuck else "UP", "problems": [stuck] * bool(stuck)})
            case "/ready":
                return _json(*readiness(self._problems()))
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics.text()
            case _:
                return _json(HTTPStatus.NOT_FOUND, {"error": "There are /health, /ready and /metrics."})


def readiness(problems: list[str]) -> tuple[HTTPStatus, dict[str, Any]]:
    """What `/ready` answers, here and in the backend."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return status, {"ready": not problems, "problems": problems}


def open_door(settings: MonitoringSettings, door: Door) -> None:
    """Answer in threads of its own, as long as the process lives; nothing if the settings name no port.

    Raises SettingsInvalid if the port can't be used.
    """
    if settings.port is None:
        return
    try:
        server = waitress.create_server(
            door,
            host=settings.host,
            port=settings.port,
            threads=door.threads,
            connection_limit=20,
            channel_timeout=SLOW_CLIENT_S,
            max_request_body_size=door.max_body_bytes,
            ident=None,
        )
    except OSError as error:
        raise SettingsInvalid(
            "The monitoring port can't be used.", cure="Set another PHENOLOOP_MONITORING__PORT.", port=settings.port
        ) from error
    threading.Thread(target=server.run, name="door", daemon=True).start()
    structlog.get_logger().info("monitoring is open", host=settings.host, port=settings.port)


def _json(status: HTTPStatus, body: Mapping[str, Any]) -> Answer:
    return status, "application/json", json.dumps(body)
