"""The whole server: control plane, runtime and health on one port."""

import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import waitress  # type: ignore[import-untyped]
from flask import Flask

from phenoloop.errors import LocalStackError
from phenoloop.local_aws.sagemaker.invocations import MAX_BODY_BYTES, runtime
from phenoloop.local_aws.sagemaker.protocol import control_plane
from phenoloop.local_aws.sagemaker.service import Service
from phenoloop.local_aws.sagemaker.settings import ServerSettings

THREADS = 64
"""An invocation holds one for as long as the container takes."""

INTERRUPTION = "/training-jobs/<name>/interruption"
"""What EC2 does to spot instances, AWS has no call for."""


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT, then stop every container.

    Raises LocalStackError if another server uses the data folder or the port.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _exit)
    with _only_server(settings.data_dir):
        service = Service(settings)
        app = Flask(__name__)
        app.config["TRUSTED_HOSTS"] = [settings.host, "localhost"]  # a web page's own host name may lead here too
        app.register_blueprint(control_plane(service.handlers))
        app.register_blueprint(runtime(service.hosting, timeout_s=settings.invocation_timeout_s))
        app.add_url_rule(INTERRUPTION, "interrupt", lambda name: _interrupted(service, name), methods=["POST"])
        app.add_url_rule("/health", "health", lambda: {"status": "ok"})
        try:
            _run(app, settings, service)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            service.stop()


def _interrupted(service: Service, job: str) -> tuple[dict[str, str], int]:
    if service.interrupt(job):
        return {"status": "interrupted"}, 202
    return {"message": f"No managed spot training {job} is at work."}, 404


def _run(app: Flask, settings: ServerSettings, service: Service) -> None:
    try:
        server = waitress.create_server(
            app,
            host=settings.host,
            port=settings.port,
            threads=THREADS,
            connection_limit=1000,
            # Larger than SageMaker's limit: what exceeds that one gets SageMaker's answer, not waitress's.
            max_request_body_size=8 * MAX_BODY_BYTES,
            ident=None,
        )
    except OSError as error:
        raise LocalStackError("SageMaker's port can't be used.", cure=str(error), port=settings.port) from error
    service.resume()
    structlog.get_logger().info("sagemaker is up", host=settings.host, port=settings.port)
    server.run()


@contextmanager
def _only_server(data_dir: Path) -> Iterator[None]:
    """Two servers over one folder would each take the other's containers for orphans."""
    with (data_dir / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LocalStackError(
                "Another SageMaker server uses this data folder.", cure="Stop it first.", folder=data_dir
            ) from error
        yield


def _exit(_signal: int, _frame: object) -> None:
    raise SystemExit(0)
