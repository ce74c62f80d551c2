"""Where a process without a web face of its own tells how it does: `/health`, `/ready`, `/metrics`.

For the machine's own network only: read-only, without secrets, and without credentials.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
import waitress  # type: ignore[import-untyped]
from prometheus_client import CONTENT_TYPE_LATEST

from phenoloop.errors import SettingsInvalid
from phenoloop.metrics import Metrics
from phenoloop.settings import MonitoringSettings

THREADS = 2
SLOW_CLIENT_S = 10
Answer = tuple[HTTPStatus, str, str]
"""Status, content type, body."""


class Door:
    """The WSGI application."""

    def __init__(self, metrics: Metrics, problems: Callable[[], list[str]], stuck: Callable[[], str] = str) -> None:
        """`problems` keep the process from doing its work now; `stuck` says why only a restart helps, or nothing."""
        self._metrics, self._problems, self._stuck = metrics, problems, stuck

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
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
            threads=THREADS,
            connection_limit=20,
            channel_timeout=SLOW_CLIENT_S,
            max_request_body_size=1024,
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
