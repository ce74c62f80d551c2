"""Wires a backend from settings: the same for the web process and for the workers."""

from functools import cache

import boto3
import structlog
from botocore.config import Config
from platformdirs import user_cache_path

from ml_backend.backend import Backend
from ml_backend.health import Health
from ml_backend.metrics import Metrics
from phenoloop.chain.chain import Chain
from phenoloop.chain.disk_cache import DiskCache
from phenoloop.chain.endpoints import Endpoints, sagemaker_runtime_client
from phenoloop.chain.images import ImageStore, photo_client
from phenoloop.chain.photo_cache import PhotoCache
from phenoloop.chain.releases import LiveRelease, ReleaseStore
from phenoloop.chain.reply_cache import ReplyCache
from phenoloop.checks import Check
from phenoloop.errors import SettingsInvalid
from phenoloop.jobs import prelabel_queue, queue_depth
from phenoloop.labelling.client import LabelStudio
from phenoloop.metrics import EndpointWatch
from phenoloop.settings import ChainSettings, Settings, read_settings


def build_backend(settings: Settings) -> Backend:
    """Clients, stores and chain. If a release is live it is loaded now, so that the first request finds it."""
    patience = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
    s3 = boto3.client("s3", config=patience)
    storage, chain = settings.storage, settings.chain
    live = LiveRelease(ReleaseStore(s3, storage.bucket, storage.releases_prefix), chain.release_refresh_s)
    live.follow()
    metrics, queue, photos = Metrics(), prelabel_queue(settings.redis_url), photo_client(chain)
    watch, runtime = EndpointWatch(metrics, live.known), sagemaker_runtime_client(chain)
    for client in (s3, photos):
        metrics.watch_aws(client)
    endpoints = Endpoints(runtime, chain.endpoint_slots, chain.attempts, timeout_s=chain.invoke_timeout_s, watch=watch)
    health = Health(live, endpoints, Check("Redis", lambda: queue_depth(queue)).start())
    health.show_in(metrics, watch)
    kept, replies = _cache(chain, "photos", chain.photo_cache_bytes), _cache(chain, "replies", chain.reply_cache_bytes)
    token = settings.label_studio.token.get_secret_value()
    return Backend(
        chain=Chain(endpoints, live, timed=metrics.timed, replies=ReplyCache(replies) if replies else None),
        images=ImageStore(
            photos,
            storage.image_buckets,
            chain.max_image_bytes,
            timeout_s=chain.image_timeout_s,
            cache=PhotoCache(kept) if kept else None,
        ),
        label_studio=LabelStudio(settings.label_studio.url, token, timeout_s=settings.label_studio.timeout_s),
        queue=queue,
        settings=settings.backend,
        metrics=metrics,
        problems=health.problems,
    )


def _cache(chain: ChainSettings, kind: str, max_bytes: int) -> DiskCache | None:
    """None if the settings want none, or if there is no folder for it here: that costs time, not work."""
    folder = chain.cache_folder or user_cache_path("phenoloop")
    try:
        return DiskCache(folder / kind, max_bytes) if max_bytes else None
    except SettingsInvalid as error:
        structlog.get_logger().warning("nothing is kept on disk", kind=kind, reason=str(error))
        return None


@cache
def process_backend() -> Backend:
    """This process's own, built at the first job. Raises SettingsInvalid."""
    return build_backend(read_settings())
