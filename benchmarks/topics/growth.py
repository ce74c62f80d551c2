"""S3 calls of a sweep and of a corrected task, in a small project and in one a thousand times as large."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import boto3

from benchmarks.bucket import Bucket
from benchmarks.bucket.known import known_snapshot
from benchmarks.bucket.loop import RELEASE, STORAGE, FakeSageMaker, annotations_loop, only_warnings
from benchmarks.bucket.server import FIRST, PAGE
from benchmarks.figure import Figure, as_share

LISTING = "LIST annotations"
NOTE = (
    "every object is really listed and compared; the snapshot that it is compared with is simulated: "
    "its index was written without reading a million annotations"
)


@dataclass(frozen=True, slots=True)
class Calls:
    sweep: int
    correction: int
    """From the event of one saved annotation until its run is requested, without listing."""
    sagemaker: int
    """Of the same."""


def measure(*, quick: bool) -> Iterator[Figure]:
    sizes = (1000, 20_000) if quick else (1000, 1_000_000)
    only_warnings()
    with Bucket(sizes[0]) as bucket:
        os.environ.update(bucket.environment)
        small, large = (_calls(bucket, count) for count in sizes)
    what, beside = f"at {sizes[1]:,} tasks", f"at {sizes[0]:,} tasks"
    yield as_share(
        f"S3 calls of a sweep that finds nothing, for {PAGE:,} tasks, {what}",
        large.sweep / (sizes[1] / PAGE), "calls", beside, small.sweep / (sizes[0] / PAGE), most=1, note=NOTE,
    )  # fmt: skip
    for name, more, fewer in (
        ("S3 calls", large.correction, small.correction),
        ("SageMaker calls", large.sagemaker, small.sagemaker),
    ):
        title = f"{name} from one saved annotation to its run's request, {what}"
        yield as_share(title, more, "calls", beside, fewer, most=1, note="beside the listing, which a run does too")


def _calls(bucket: Bucket, count: int) -> Calls:
    bucket.tell(annotations=count)
    sagemaker = FakeSageMaker()
    loop = annotations_loop(sagemaker, sweep_every_s=10**6)
    loop.runs.request(known_snapshot(boto3.client("s3"), count), RELEASE, reason="everything is known", by_itself=False)
    bucket.tell()
    loop.annotations()
    swept = bucket.tell(changed=1)
    sagemaker.calls.clear()
    loop.annotation_changed(f"{STORAGE.annotations_prefix}{FIRST}")
    loop.annotations()
    corrected = bucket.tell()
    assert corrected.pop(LISTING) == swept[LISTING]  # noqa: S101
    assert sagemaker.calls["start_pipeline_execution"] == 1, "no run was requested"  # noqa: S101
    return Calls(sum(swept.values()), sum(corrected.values()), sum(sagemaker.calls.values()))
