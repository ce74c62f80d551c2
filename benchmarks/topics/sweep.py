"""A sweep that finds nothing changed, beside the listing that it can't do without."""

import os
import time
from collections.abc import Callable, Iterator

import boto3
import obstore
from obstore.store import S3Store

from benchmarks.bucket import Bucket
from benchmarks.bucket.known import known_snapshot
from benchmarks.bucket.loop import RELEASE, STORAGE, FakeSageMaker, annotations_loop, only_warnings
from benchmarks.figure import Figure, as_share

LATENCIES_S = {0.015: 1.2, 0.0: None}
"""Of the store, and what is wanted. A page of S3's listing takes 15 ms and more; none comes at once."""


def measure(*, quick: bool) -> Iterator[Figure]:
    count, rounds = (3000, 2) if quick else (100_000, 4)
    only_warnings()
    with Bucket(count) as bucket:
        os.environ.update(bucket.environment)
        loop = annotations_loop(FakeSageMaker(), sweep_every_s=0)
        loop.runs.request(known_snapshot(boto3.client("s3"), count), RELEASE, reason="all is known", by_itself=False)
        loop.annotations()
        bare = S3Store(STORAGE.bucket, client_options={"allow_http": True})
        for latency_s, most in LATENCIES_S.items():
            bucket.tell(latency_s=latency_s)
            sweeps, listings = [], []
            for _ in range(rounds):
                listings.append(_seconds(lambda: _list(bare, count)))
                sweeps.append(_seconds(loop.annotations))
            assert loop.decided is not None  # noqa: S101
            assert loop.decided[1].count == 0, "something seemed to be new"  # noqa: S101
            yield as_share(
                f"Sweep of {count:,} annotations, nothing changed, store answers after {latency_s * 1000:.0f} ms",
                min(sweeps), "s", "the same pages listed by obstore and dropped", min(listings), most=most,
                note=f"best of {rounds}, in turns",
            )  # fmt: skip


def _list(store: S3Store, count: int) -> None:
    assert sum(len(page) for page in obstore.list(store, STORAGE.annotations_prefix, chunk_size=1000)) == count  # noqa: S101


def _seconds(work: Callable[[], object]) -> float:
    started_s = time.monotonic()
    work()
    return time.monotonic() - started_s
