"""From an annotation that is saved until SageMaker is asked for the run, beside S3's own event of it."""

from __future__ import annotations

import json
import math
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3

from benchmarks.bucket.loop import STORAGE, FakeSageMaker, annotations_loop, only_warnings
from benchmarks.bucket.server import FIRST, annotation
from benchmarks.figure import Figure
from phenoloop.local_aws.processes import Supervisor
from phenoloop.local_aws.provision import provision
from phenoloop.local_aws.sagemaker.containers import free_port
from phenoloop.local_aws.services import CREDENTIALS, ministack
from phenoloop.settings import StorageSettings
from sync.loop import Loop
from sync.worker import SyncWorker

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

MOST_S = 2.0
PATIENCE_S = 60.0
PHOTOS = 30
"""Annotated one after the other; about six in ten are learnt from."""


def measure(*, quick: bool) -> Iterator[Figure]:
    saves = 10 if quick else 100
    only_warnings()
    with embedded() as environment:
        os.environ.update(environment)
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        queue, others = (_queue(s3, sqs, storage) for storage in (STORAGE, StorageSettings(bucket="others")))
        for number in range(PHOTOS):
            s3.put_object(Bucket=STORAGE.bucket, Key=f"images/{FIRST + number}.jpg", Body=b"a photo")
            _save(s3, STORAGE.bucket, number, revision=0)
        sagemaker, heard_s = FakeSageMaker(), list[float]()
        with listening(sqs, others, heard_s), working(sqs, queue, annotations_loop(sagemaker, quiet_s=0)):
            _wait_for(sagemaker.started_s, 1)
            delivered, requested = zip(
                *(_saved(s3, sagemaker.started_s, heard_s, number) for number in range(saves)), strict=True
            )
    event_s, run_s = _p99(delivered), _p99(requested)
    yield Figure(
        f"Annotation saved until a run is requested, quiet time 0, p99 of {saves}; the ratio is what is more",
        run_s, "s", "S3's event of a bucket beside it heard by a bare long poll, p99", event_s, run_s - event_s,
        most=MOST_S, note=f"medians {statistics.median(requested):.2f} s and {statistics.median(delivered):.2f} s",
    )  # fmt: skip


def _saved(s3: S3Client, started_s: list[float], heard_s: list[float], number: int) -> tuple[float, float]:
    """Seconds until the event was heard, and until the run was requested."""
    runs, events, revision = len(started_s), len(heard_s), 1 + number // PHOTOS
    saved_s = time.monotonic()
    _save(s3, STORAGE.bucket, number % PHOTOS, revision)
    _save(s3, "others", number % PHOTOS, revision)
    _wait_for(started_s, runs + 1)
    _wait_for(heard_s, events + 1)
    return heard_s[events] - saved_s, started_s[runs] - saved_s


def _save(s3: S3Client, bucket: str, number: int, revision: int) -> None:
    key = f"{STORAGE.annotations_prefix}{FIRST + number}"
    s3.put_object(Bucket=bucket, Key=key, Body=annotation(FIRST + number, revision))


@contextmanager
def embedded() -> Iterator[dict[str, str]]:
    """MiniStack's S3, SQS and EventBridge: the variables by which boto3 finds them."""
    with tempfile.TemporaryDirectory(prefix="phenoloop-bench-") as folder:
        port, supervisor = free_port(), Supervisor(Path(folder) / "logs")
        supervisor.start(ministack(Path(folder), port))
        try:
            supervisor.wait_until_ready("ministack")
            yield CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        finally:
            supervisor.stop()


def _queue(s3: S3Client, sqs: SQSClient, storage: StorageSettings) -> str:
    return provision(s3, sqs, boto3.client("events"), storage=storage, queue=storage.bucket).queue_url


@contextmanager
def working(sqs: SQSClient, queue_url: str, loop: Loop) -> Iterator[None]:
    """The sync worker, with none but its annotations to look at."""
    rest: dict[str, Callable[[], float]] = dict.fromkeys(("release", "tasks", "photos", "module", "exports"), _rest)
    only = SimpleNamespace(annotations=loop.annotations, annotation_changed=loop.annotation_changed, **rest)
    worker = SyncWorker(sqs, queue_url, cast("Any", only), STORAGE)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(PATIENCE_S)


def _rest() -> float:
    return 3600.0


@contextmanager
def listening(sqs: SQSClient, queue_url: str, heard_s: list[float]) -> Iterator[None]:
    stopping = threading.Event()

    def listen() -> None:
        while not stopping.is_set():
            answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            now_s = time.monotonic()
            for message in answer.get("Messages", []):
                heard_s.extend(now_s for _ in json.loads(message["Body"]).get("Records", ()))
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE_S)


def _wait_for(times_s: list[float], count: int) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while len(times_s) < count:
        if time.monotonic() > until_s:
            raise TimeoutError("What was waited for did not come.")
        time.sleep(0.002)


def _p99(seconds: tuple[float, ...]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]
