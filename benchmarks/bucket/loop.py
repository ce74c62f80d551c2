"""The loop's annotations side as a worker has it: real snapshots and runs, and a SageMaker that takes everything."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import structlog
from pydantic import SecretStr

from loc360.manifest import Manifest
from phenoloop.chain.release import Release, StageEndpoint
from phenoloop.settings import (
    BackendSettings,
    LabelStudioSettings,
    RetrainingSettings,
    Settings,
    StorageSettings,
    TrainingSettings,
)
from sync.bootstrap import PATIENCE
from sync.loop import Loop
from sync.photo_facts import PhotoFacts
from sync.quick_s3 import quick
from sync.runs import Runs
from sync.snapshot import SnapshotStore

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

STORAGE = StorageSettings(bucket="loop")
TRAINING = TrainingSettings(
    role_arn="arn:aws:iam::000000000000:role/bench", training_image="bench-training", serving_image="bench-serving"
)
EXECUTION = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/phenoloop/execution/bench"
RELEASE = Release.named(
    package_arn="arn:aws:sagemaker:us-east-1:000000000000:model-package/bench/1",
    detector=StageEndpoint(endpoint="bench-detector", model_data_url="s3://loop/artifacts/detector.tar.gz"),
    segmenter=StageEndpoint(endpoint="bench-segmenter", model_data_url="s3://loop/artifacts/segmenter.tar.gz"),
    manifest=Manifest("", "phenoloop-detector", "phenoloop-segmenter", ("tomato",)).to_dict(),
)


class FakeSageMaker:
    """Every pipeline execution has succeeded as soon as it is started."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.started_s: list[float] = []
        """On the monotonic clock, when executions were asked for."""

    def get_paginator(self, operation: str) -> FakeSageMaker:
        self.calls[operation] += 1
        return self

    def paginate(self, **_: object) -> list[dict[str, str]]:
        """Nothing is registered yet."""
        return []

    def __getattr__(self, operation: str) -> Callable[..., dict[str, str]]:
        def answer(**_: object) -> dict[str, str]:
            self.calls[operation] += 1
            if operation == "start_pipeline_execution":
                self.started_s.append(time.monotonic())
            return {
                "PipelineDefinition": "",
                "PipelineExecutionArn": EXECUTION,
                "PipelineExecutionStatus": "Succeeded",
            }

        return answer


class Nobody:
    """Who is not asked anything by the annotations' concern."""

    def __getattr__(self, name: str) -> Nobody:
        return self


def snapshots(s3: S3Client, prefix: str = "snapshots/") -> SnapshotStore:
    return SnapshotStore(s3, STORAGE.bucket, prefix, images=PhotoFacts(s3, [STORAGE.bucket], 10**9))


def annotations_loop(sagemaker: FakeSageMaker, **retraining: Any) -> Loop:
    """Against the S3 that boto3 finds."""
    plain = boto3.client("s3", config=PATIENCE)
    s3, taking_all = quick(plain), cast("Any", sagemaker)
    settings = Settings(
        storage=STORAGE,
        training=TRAINING,
        retraining=RetrainingSettings(minimum_changes=1, quiet_s=0, runs_a_day=10**6).model_copy(update=retraining),
        label_studio=LabelStudioSettings(url="http://127.0.0.1", token=SecretStr("none")),
        backend=BackendSettings(password=SecretStr("none is asked for it")),
        queue_url="",
    )
    nobody: Any = Nobody()
    loop = Loop(
        s3=s3,
        sagemaker=taking_all,
        label_studio=nobody,
        snapshots=snapshots(s3),
        runs=Runs(plain, taking_all, STORAGE, TRAINING),
        releases=cast("Any", SimpleNamespace(live=lambda: RELEASE)),
        releaser=nobody,
        open_tasks=nobody,
        settings=settings,
    )
    loop.decisions = cast("Any", SimpleNamespace(is_under_way=lambda: False))
    return loop


def only_warnings() -> None:
    """Of what the product logs."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
