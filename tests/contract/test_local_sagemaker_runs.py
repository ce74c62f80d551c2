"""Runs that a SageMaker carries out: watched step by step, stopped, tried again."""

import json
from datetime import UTC, datetime

import pytest

from phenoloop.errors import RunEnded
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.runs import Run, Runs
from sync.snapshot import Snapshot
from tests.conftest import phenoloop
from tests.contract.sagemaker_server import (
    BUCKET,
    CREDENTIALS,
    IMAGE,
    JOB_IMAGE,
    ROLE,
    SageMakerServer,
    unique,
    wait_until,
)
from tests.unit.fake_models import release

pytest_plugins = ("tests.contract.sagemaker_fixtures",)


@pytest.fixture
def storage() -> StorageSettings:
    return StorageSettings(bucket=BUCKET, runs_prefix=f"{unique('runs')}/")


@pytest.fixture
def training() -> TrainingSettings:
    return TrainingSettings(
        role_arn=ROLE,
        training_image=JOB_IMAGE,
        serving_image=IMAGE,
        pipeline=unique("pipeline"),
        package_group=unique("group"),
    )


@pytest.fixture
def runs(sagemaker_server: SageMakerServer, storage: StorageSettings, training: TrainingSettings) -> Runs:
    return Runs(sagemaker_server.s3, sagemaker_server.control, storage, training)


def requested(runs: Runs) -> Run:
    snapshot = Snapshot(
        name="gone",
        created_at=datetime.now(UTC),
        labels=("carrot",),
        photos={"train": 12, "validation": 3, "test": 5},
        regions=80,
        left_out={},
        shards={},
        index="",
        url=f"s3://{BUCKET}/snapshots/gone.json",
    )
    return runs.request(snapshot, release(), reason="a test", by_itself=False)[0]


def test_a_run_is_watched_step_by_step_and_says_why_it_failed(runs: Runs) -> None:
    run = requested(runs)
    wait_until(lambda: runs.status(run) == "Failed", timeout_s=60)
    execution = runs.execution(run)
    assert execution is not None
    (fetch,) = execution.progress
    assert (fetch.name, fetch.status, fetch.attempts, fetch.cached_from) == ("Fetch", "Failed", 1, "")
    assert fetch.ended_at
    assert "AlgorithmError" in fetch.failure_reason
    assert fetch.made.startswith("arn:aws:sagemaker:")


def test_a_run_that_is_stopped_stops_and_the_next_attempt_has_its_checkpoints(runs: Runs) -> None:
    run = requested(runs)
    runs.stop(run)
    wait_until(lambda: runs.status(run) == "Stopped")
    assert runs.is_done_with(run.snapshot)  # nobody starts by itself what a person stopped
    with pytest.raises(RunEnded):
        runs.stop(run)
    again = requested(runs)
    assert again.name == f"{run.name}-2"
    assert again.parameters["CheckpointsUrl"] == run.parameters["CheckpointsUrl"]
    runs.stop(again)


def test_the_pipeline_is_created_once_and_then_unchanged(runs: Runs) -> None:
    assert [runs.upsert(), runs.upsert()] == ["created", "unchanged"]


def test_a_person_sees_where_a_run_stands(
    runs: Runs, sagemaker_server: SageMakerServer, moto_url: str, storage: StorageSettings, training: TrainingSettings
) -> None:
    settings = CREDENTIALS | {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ENDPOINT_URL_SAGEMAKER": sagemaker_server.url,
        "PHENOLOOP_STORAGE": storage.model_dump_json(),
        "PHENOLOOP_STORAGE__BUCKET": storage.bucket,
        "PHENOLOOP_TRAINING": training.model_dump_json(),
        "PHENOLOOP_LABEL_STUDIO": '{"url": "http://127.0.0.1:9", "token": "t"}',
        "PHENOLOOP_BACKEND__PASSWORD": "p" * 12,
        "PHENOLOOP_QUEUE_URL": "http://127.0.0.1:9/q",
    }
    nothing = phenoloop("pipeline", "status", settings=settings)
    assert (nothing.returncode, "pipeline start" in nothing.stderr) == (1, True)
    run = requested(runs)
    wait_until(lambda: runs.status(run) == "Failed", timeout_s=60)
    shown = phenoloop("pipeline", "status", run.name, settings=settings).stdout
    for word in (run.name, "Fetch", "AlgorithmError"):
        assert word in shown
    found = json.loads(phenoloop("pipeline", "status", "latest", "--json", settings=settings).stdout)
    assert (found["name"], found["report"]) == (run.name, None)
    assert found["steps"][0]["seconds"] >= 0
    late = phenoloop("pipeline", "stop", settings=settings)
    assert (late.returncode, "not at work" in late.stderr) == (1, True)
