"""Wires a backend from settings: the same for the web process and for the workers."""

from functools import cache

import boto3
import structlog
from botocore.config import Config

from ml_backend.backend import Backend
from ml_backend.metrics import Metrics
from phenoloop.chain.chain import Chain
from phenoloop.chain.endpoints import Endpoints, sagemaker_runtime_client
from phenoloop.chain.images import ImageStore
from phenoloop.chain.releases import LiveRelease, ReleaseStore
from phenoloop.errors import PhenoloopError
from phenoloop.jobs import prelabel_queue
from phenoloop.labelling.client import LabelStudio
from phenoloop.settings import Settings, read_settings


def build_backend(settings: Settings) -> Backend:
    """Clients, stores and chain. If a release is live it is loaded now, so that the first request finds it."""
    patience = Config(connect_timeout=5, read_timeout=30, max_pool_connections=64, retries={"total_max_attempts": 4})
    s3 = boto3.client("s3", config=patience)
    storage, chain = settings.storage, settings.chain
    live = LiveRelease(ReleaseStore(s3, storage.bucket, storage.releases_prefix), chain.release_refresh_s)
    try:
        live.current()
    except PhenoloopError as error:
        structlog.get_logger().warning("no release is live yet", error=str(error))
    endpoints = Endpoints(sagemaker_runtime_client(chain), chain.endpoint_slots, chain.attempts)
    token = settings.label_studio.token.get_secret_value()
    return Backend(
        chain=Chain(endpoints, live),
        images=ImageStore(s3, storage.image_buckets, chain.max_image_bytes),
        label_studio=LabelStudio(settings.label_studio.url, token, timeout_s=settings.label_studio.timeout_s),
        queue=prelabel_queue(settings.redis_url),
        settings=settings.backend,
        metrics=Metrics(),
    )


@cache
def process_backend() -> Backend:
    """This process's own, built at the first job. Raises SettingsInvalid."""
    return build_backend(read_settings())
