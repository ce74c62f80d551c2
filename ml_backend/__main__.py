"""`python -m ml_backend`: the backend as a process, gunicorn in front of the app."""

import gc
import ssl
import sys
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from ml_backend.app import create_app
from ml_backend.bootstrap import build_backend
from phenoloop.errors import SettingsInvalid
from phenoloop.logs import configure_logs
from phenoloop.secret_files import require_private
from phenoloop.settings import BackendSettings, Settings, read_settings

TIMEOUT_S = 120
"""Label Studio waits 100 s."""
GRACEFUL_S = 10
SWITCH_S = 0.001
"""Python's own is 5 ms."""


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """One process with threads: they share the live release, the connections and the numbers that /metrics tells."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in gunicorn_options(self._settings.backend).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        app = create_app(build_backend(self._settings), self._settings.backend)
        answer_promptly()
        return app


def main() -> None:
    """Runs until SIGINT or SIGTERM. Raises SettingsInvalid if the environment is incomplete."""
    configure_logs()
    Server(read_settings()).run()


def answer_promptly() -> None:
    """Doors must not wait for batches: in this process threads take shorter turns, and what was made at the start is
    not looked at again and again by the collector, which stops them all for 50 ms each time.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()


def gunicorn_options(settings: BackendSettings) -> dict[str, Any]:
    """Raises SettingsInvalid if the key of HTTPS is open to others."""
    options = {
        "bind": f"{settings.host}:{settings.port}",
        "worker_class": "gthread",
        "workers": 1,
        "threads": settings.threads,
        "timeout": TIMEOUT_S,
        "graceful_timeout": GRACEFUL_S,
        "control_socket_disable": True,
    }
    if settings.tls_certificate is None or settings.tls_key is None:
        return options
    require_private(settings.tls_key)
    if not settings.tls_certificate.is_file():
        raise SettingsInvalid("The certificate is not there.", file=settings.tls_certificate)
    return options | {
        "certfile": str(settings.tls_certificate),
        "keyfile": str(settings.tls_key),
        "ssl_context": _modern,
    }


def _modern(_: object, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


if __name__ == "__main__":
    main()
