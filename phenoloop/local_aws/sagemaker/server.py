"""The whole server: control plane, runtime and health on one port."""

import fcntl
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import structlog
import waitress  # type: ignore[import-untyped]
from botocore.config import Config
from flask import Flask

from phenoloop.errors import LocalStackError
from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.sagemaker.calls import DEFAULT_REGION
from phenoloop.local_aws.sagemaker.containers import Images, Launcher
from phenoloop.local_aws.sagemaker.endpoint_configs import EndpointConfigs
from phenoloop.local_aws.sagemaker.endpoints import Endpoints
from phenoloop.local_aws.sagemaker.hosting import Hosting
from phenoloop.local_aws.sagemaker.invocations import MAX_BODY_BYTES, runtime
from phenoloop.local_aws.sagemaker.model_data import ModelData
from phenoloop.local_aws.sagemaker.model_package_groups import ModelPackageGroups
from phenoloop.local_aws.sagemaker.model_packages import ModelPackages
from phenoloop.local_aws.sagemaker.models import Models
from phenoloop.local_aws.sagemaker.protocol import control_plane
from phenoloop.local_aws.sagemaker.replica import Workshop
from phenoloop.local_aws.sagemaker.store import Store
from phenoloop.local_aws.sagemaker.tags import Tags

THREADS = 64
"""An invocation holds one for as long as the container takes."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    host: str
    port: int
    data_dir: Path
    images: Images
    environment: Mapping[str, str]
    """Of this process; containers get a part of it."""
    invocation_timeout_s: float
    startup_timeout_s: float
    stop_timeout_s: float


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT, then stop every container.

    Raises LocalStackError if another server uses the data folder or the port.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _exit)
    with _only_server(settings.data_dir):
        store = Store(settings.data_dir / "sagemaker.sqlite")
        model_data = ModelData(boto3.client("s3", region_name=DEFAULT_REGION, config=Config(connect_timeout=5)))
        workshop = Workshop(
            launcher=Launcher(settings.images, settings.environment, REPOSITORY),
            model_data=model_data,
            store=store,
            startup_timeout_s=settings.startup_timeout_s,
            stop_timeout_s=settings.stop_timeout_s,
        )
        hosting = Hosting(workshop, settings.data_dir)
        nouns = (
            Models(store, settings.images, model_data),
            EndpointConfigs(store),
            Endpoints(store, hosting),
            ModelPackageGroups(store),
            ModelPackages(store),
            Tags(store),
        )
        app = Flask(__name__)
        app.register_blueprint(control_plane({name: h for noun in nouns for name, h in noun.handlers().items()}))
        app.register_blueprint(runtime(hosting, timeout_s=settings.invocation_timeout_s))
        app.add_url_rule("/health", "health", lambda: {"status": "ok"})
        try:
            _run(app, settings, hosting)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            hosting.stop(timeout_s=settings.stop_timeout_s + 2)


def _run(app: Flask, settings: ServerSettings, hosting: Hosting) -> None:
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
    hosting.resume()
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
