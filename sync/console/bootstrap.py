"""Wires the console from settings."""

import boto3
from botocore.config import Config

from phenoloop.chain.chain import Chain
from phenoloop.chain.endpoints import Endpoints, sagemaker_runtime_client
from phenoloop.chain.releases import LiveRelease
from phenoloop.door import Console as Behind
from phenoloop.settings import Settings
from sync.bootstrap import build_loop
from sync.console.app import MAX_BODY_BYTES, Console, create_console
from sync.console.corrections import Corrections
from sync.console.decisions import Decisions
from sync.console.freshness import Freshnesses
from sync.console.releases import Evaluations
from sync.console.sources import Sources
from sync.console.trying import TryBox
from sync.quick_s3 import quick
from sync.worker import SyncWorker

IMPATIENT = Config(
    connect_timeout=2, read_timeout=6, max_pool_connections=40, retries={"mode": "standard", "total_max_attempts": 2}
)
"""Someone waits for the page."""


def build_console(settings: Settings, worker: SyncWorker) -> Behind:
    """With a loop of its own: no look of the console is in a look of the worker's way. Nothing is asked yet."""
    loop, storage, chain = build_loop(settings, patience=IMPATIENT), settings.storage, settings.chain
    s3, label_studio = boto3.client("s3", config=IMPATIENT), loop.open_tasks.label_studio
    endpoints = Endpoints(
        sagemaker_runtime_client(chain), chain.endpoint_slots, chain.attempts, timeout_s=chain.invoke_timeout_s
    )
    console = Console(
        sources=Sources(
            loop=loop,
            worker=worker,
            cloudwatch=boto3.client("cloudwatch", config=IMPATIENT),
            evaluations=Evaluations(loop.runs),
            corrections=Corrections(quick(s3), label_studio, storage.bucket, storage.annotations_prefix),
            freshnesses=Freshnesses(loop.snapshots),
        ),
        decisions=Decisions(loop),
        try_box=TryBox(Chain(endpoints, LiveRelease(loop.releases, chain.release_refresh_s)), s3, storage),
    )
    return Behind(create_console(console, settings.backend), MAX_BODY_BYTES)
