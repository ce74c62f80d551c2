"""Wires the loop from settings: the same for the worker and for the command line."""

import boto3
from botocore.config import Config

from phenoloop.chain.endpoints import Endpoints, sagemaker_runtime_client
from phenoloop.chain.images import ImageStore, photo_client
from phenoloop.chain.releases import ReleaseStore
from phenoloop.jobs import prelabel_queue
from phenoloop.labelling.client import LabelStudio
from phenoloop.metrics import EndpointWatch
from phenoloop.settings import Settings
from sync.loop import Loop
from sync.metrics import SyncMetrics
from sync.open_tasks import OpenTasks
from sync.photo_facts import PhotoFacts
from sync.quick_s3 import quick
from sync.release.alarms import Alarms
from sync.release.hosting import Hosting
from sync.release.releaser import Releaser
from sync.release.rollouts import Rollouts
from sync.release.shadow import Shadow
from sync.release.smoke import SmokeTest
from sync.runs import Runs
from sync.snapshot import SnapshotStore
from sync.worker import SyncWorker

PATIENCE = Config(
    connect_timeout=5, read_timeout=30, max_pool_connections=40, retries={"mode": "standard", "total_max_attempts": 5}
)


def build_loop(settings: Settings, *, patience: Config = PATIENCE, metrics: SyncMetrics | None = None) -> Loop:
    """Clients and stores; nothing is asked of them yet."""
    storage, training = settings.storage, settings.training
    s3, sagemaker = boto3.client("s3", config=patience), boto3.client("sagemaker", config=patience)
    chain, metrics = settings.chain, metrics or SyncMetrics()
    for client in (s3, sagemaker):
        metrics.watch_aws(client)
    quick_s3 = quick(s3, lambda operation, outcome: metrics.aws_calls.labels("s3", operation, outcome).inc())
    images = ImageStore(
        photo_client(chain), storage.image_buckets, chain.max_image_bytes, timeout_s=chain.image_timeout_s
    )
    releases = ReleaseStore(s3, storage.bucket, storage.releases_prefix)
    label_studio = LabelStudio(
        settings.label_studio.url,
        settings.label_studio.token.get_secret_value(),
        timeout_s=settings.label_studio.timeout_s,
        attempts=1,  # the worker looks again by itself
    )
    endpoints = Endpoints(
        sagemaker_runtime_client(chain),
        chain.endpoint_slots,
        chain.attempts,
        timeout_s=chain.invoke_timeout_s,
        watch=EndpointWatch(metrics),
    )
    open_tasks = OpenTasks(label_studio, prelabel_queue(settings.redis_url), storage.bucket, storage.annotations_prefix)
    return Loop(
        s3=quick_s3,
        sagemaker=sagemaker,
        label_studio=label_studio,
        snapshots=SnapshotStore(
            quick_s3,
            storage.bucket,
            storage.snapshots_prefix,
            annotations_prefix=storage.annotations_prefix,
            images=PhotoFacts(quick_s3, storage.image_buckets, chain.max_image_bytes),
        ),
        runs=Runs(s3, sagemaker, storage, training),
        releases=releases,
        releaser=Releaser(
            s3=s3,
            sagemaker=sagemaker,
            store=releases,
            rollouts=Rollouts(s3, storage),
            hosting=Hosting(sagemaker, boto3.client("application-autoscaling", config=patience), training),
            alarms=Alarms(boto3.client("cloudwatch", config=patience), settings.release),
            smoke=SmokeTest(s3, images, endpoints, storage),
            shadow=Shadow(open_tasks, images, endpoints, settings.release),
            storage=storage,
            training=training,
            settings=settings.release,
        ),
        open_tasks=open_tasks,
        settings=settings,
        metrics=metrics,
    )


def build_worker(settings: Settings) -> SyncWorker:
    sqs, metrics = boto3.client("sqs", config=PATIENCE), SyncMetrics()
    metrics.watch_aws(sqs)
    return SyncWorker(sqs, settings.queue_url, build_loop(settings, metrics=metrics), settings.storage, metrics)
