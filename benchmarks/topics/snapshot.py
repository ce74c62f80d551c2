"""Snapshots of many annotations, beside 32 boto3 threads that only read the same objects; what the next one reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from benchmarks.bucket import Bucket
from benchmarks.bucket.loop import STORAGE
from benchmarks.bucket.server import FIRST
from benchmarks.figure import Figure, as_share
from sync.annotations import read_object
from sync.quick_s3 import quick as quickened
from sync.reading import READERS
from sync.threads import in_threads

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

THREADS = 32
"""Of the reference."""
LATENCY_S = 0.015
"""Of a store that is not beside us."""
FLAT = 1.2


def measure(*, quick: bool) -> Iterator[Figure]:
    few, some, many = (500, 2000, 3000) if quick else (10_000, 10_000, 100_000)
    with Bucket(few) as bucket:
        os.environ.update(bucket.environment)
        small = _built()
        bucket.tell(annotations=some, latency_s=LATENCY_S)
        yield from _speed(some, _built(), f"store answers after {LATENCY_S * 1000:.0f} ms", times=7)
        bucket.tell(annotations=many, latency_s=0.0)
        large = _built()
        yield from _speed(many, large, "store answers at once", times=12)
        yield from _next_one(bucket, many)
        bytes_each = (large["peak_mib"] - small["peak_mib"]) * 2**20 / (many - few)
        yield as_share(
            f"Peak memory of a snapshot of {many:,} annotations", large["peak_mib"], "MiB",
            f"of {few:,}", small["peak_mib"], most=FLAT,
            note=f"{bytes_each:.0f} bytes an annotation: its key, and what the listing and the index tell of it",
        )  # fmt: skip


def _speed(count: int, built: dict[str, Any], store: str, *, times: int) -> Iterator[Figure]:
    sample = min(count, 4000)
    plain = boto3.client("s3", config=Config(max_pool_connections=THREADS))
    before, reading = _read_a_second(plain, sample, THREADS), _read_a_second(quickened(plain), sample, READERS)
    reference = (before + _read_a_second(plain, sample, THREADS)) / 2
    what, beside = f"{count:,} annotations of 4 KB, {store}", f"{THREADS} boto3 threads that read {sample:,} of them"
    yield as_share(
        f"Snapshot of {what}", count / built["seconds"], "objects/s", beside, reference, least=times,
        note="listed, read, decoded, a HEAD of each photo, written; the store has the same cores",
    )  # fmt: skip
    yield as_share(
        f"Only reading {what}", reading, "objects/s", beside, reference, note=f"by obstore, {READERS} threads"
    )


def _next_one(bucket: Bucket, count: int) -> Iterator[Figure]:
    changed = count // 100
    bucket.tell(changed=changed)
    _built()
    asked = bucket.tell()
    for what, kind in (("annotations", "GET annotations"), ("photos asked about", "HEAD images")):
        title = f"Next snapshot of {count:,} annotations, 1 % of them changed: {what}"
        yield as_share(title, asked.get(kind, 0), "requests", "changed annotations", changed, most=1)


def _read_a_second(s3: S3Client, count: int, threads: int) -> float:
    keys = [f"{STORAGE.annotations_prefix}{FIRST + number}" for number in range(count)]
    _exhaust(in_threads(lambda key: read_object(s3, STORAGE.bucket, key), keys[:100], threads=threads))  # connections
    started_s = time.monotonic()
    _exhaust(in_threads(lambda key: read_object(s3, STORAGE.bucket, key), keys, threads=threads))
    return count / (time.monotonic() - started_s)


def _exhaust(answers: Iterable[object]) -> None:
    for answer in answers:
        assert answer is not None  # noqa: S101  # all are there


def _built() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.bucket.build"], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))
