"""`python -m serving`: the container's entry point. gunicorn on SageMaker's port, with graceful SIGTERM."""

import os
from typing import Any

from gunicorn.app.base import BaseApplication

from serving.app import InferenceApp, create_app

GRACEFUL_S = 30
THREADS = 4


class Server(BaseApplication):  # type: ignore[misc]
    """One worker, so one model in memory; torch lets go of the interpreter, so its threads do share the cores."""

    def load_config(self) -> None:
        for name, value in _settings(os.environ).items():
            self.cfg.set(name, value)

    def load(self) -> InferenceApp:
        return create_app()


def main() -> None:
    """Environment: `SAGEMAKER_BASE_DIR` (/opt/ml), `SAGEMAKER_BIND_TO_PORT` (8080), `SAGEMAKER_MODEL_SERVER_WORKERS`
    (1), `SERVING_THREADS` (4), `SERVING_HOST` (all interfaces).
    """
    Server().run()


def _settings(environment: "os._Environ[str]") -> dict[str, Any]:
    host = environment.get("SERVING_HOST", "0.0.0.0")  # noqa: S104  # SageMaker asks from outside the container
    return {
        "bind": f"{host}:{environment.get('SAGEMAKER_BIND_TO_PORT', '8080')}",
        "worker_class": "gthread",
        "workers": int(environment.get("SAGEMAKER_MODEL_SERVER_WORKERS", "1")),
        "threads": int(environment.get("SERVING_THREADS", str(THREADS))),
        "timeout": 120,
        "graceful_timeout": GRACEFUL_S,
        "loglevel": "warning",
        "control_socket_disable": True,
    }


if __name__ == "__main__":
    main()
