"""Searches are found again in SageMaker by their jobs, and made of what a run's jobs were."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from phenoloop.errors import RunEnded, RunMissing, SettingsInvalid
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.executions import Execution, StepProgress
from sync.runs import Run
from sync.tuning.searches import Searches, SearchJob, job_name
from sync.tuning.wanted import Effort
from tests.contract.sagemaker_jobs import process, processing, put, train, trained, training
from tests.contract.sagemaker_server import BUCKET, JOB_IMAGE, SageMakerServer, unique, wait_until
from tests.unit.tuning_things import HYPERPARAMETERS, search

pytest_plugins = ["tests.contract.sagemaker_fixtures"]

RUN = Run(
    name="0123456789ab",
    snapshot="5" * 64,
    photos={},
    parameters={},
    live_release="r",
    reason="",
    by_itself=False,
    requested_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def searches(sagemaker_server: SageMakerServer) -> Searches:
    settings = TrainingSettings(training_image=JOB_IMAGE)
    return Searches(sagemaker_server.s3, sagemaker_server.control, StorageSettings(bucket=BUCKET), settings)


def job(server: SageMakerServer, name: str, *, sleep_s: int = 0, **hyperparameters: str) -> str:
    request: dict[str, Any] = training(SLEEP_S=str(sleep_s)) | {"HyperParameters": hyperparameters}
    server.control.create_training_job(TrainingJobName=name, **request)
    return name


def at(second: int) -> datetime:
    return datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)


def test_the_newest_job_of_a_search_is_found_among_others(
    searches: Searches, sagemaker_server: SageMakerServer
) -> None:
    name = unique("mine")
    assert searches.newest(name) is None
    for search_name, second in ((name, 1), (name, 2), (f"{name}-too", 3)):
        job(sagemaker_server, job_name(search_name, at(second)), search_trials="30")
        time.sleep(0.02)  # lists are in order of creation
    newest = searches.newest(name)
    assert newest is not None
    assert (newest.job_name, newest.search) == (f"phenoloop-search-{name}-260101000002", name)
    assert (latest := searches.newest()) is not None
    assert latest.search == f"{name}-too"


def test_a_job_that_is_at_work_or_did_enough_is_not_begun_again(
    searches: Searches, sagemaker_server: SageMakerServer
) -> None:
    name = unique("mine")
    job_of_it = job(sagemaker_server, job_name(name), sleep_s=30, search_trials="30")
    wait_until(lambda: trained(sagemaker_server, job_of_it)["SecondaryStatus"] == "Training")
    working = searches.job(job_of_it)
    assert working.covers(100)
    searches.stop(working)
    wait_until(lambda: not searches.job(job_of_it).is_at_work)
    assert not searches.job(job_of_it).covers(30)
    with pytest.raises(RunEnded):
        searches.stop(searches.job(job_of_it))
    done = job(sagemaker_server, job_name(name, at(5)), search_trials="30")
    wait_until(lambda: not searches.job(done).is_at_work)
    assert searches.job(done).covers(30)
    assert not searches.job(done).covers(31)


def test_a_search_is_made_of_the_runs_own_jobs(searches: Searches, sagemaker_server: SageMakerServer) -> None:
    photos, test = put(sagemaker_server, photos_jsonl="{}"), f"s3://{BUCKET}/{unique('test')}"
    fits: dict[str, Any] = training(channels={"train": photos, "validation": photos, "live": photos})
    trained_by = train(sagemaker_server, fits | {"HyperParameters": HYPERPARAMETERS})
    request = processing()
    (output,) = request["ProcessingOutputConfig"]["Outputs"]
    output["OutputName"], output["S3Output"]["S3Uri"] = "test", test
    prepared_by = process(sagemaker_server, request)
    base = searches.training_of(RUN, execution(TrainDetector=trained_by, Preprocess=prepared_by), "detector")
    assert base.test_url == test
    assert base.hyperparameters == HYPERPARAMETERS
    told = searches.request(search(base), None)
    assert told["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] == photos
    started = searches.start(told)
    assert started.is_at_work
    assert (known := searches.newest(search(base).name)) is not None
    assert known.job_name == started.job_name
    assert searches.report(started.search) is None  # no trial has begun


def execution(**jobs: str) -> Execution:
    steps = tuple(
        StepProgress(step, "Succeeded", None, None, 1, "", f"arn:aws:sagemaker:us-east-1:0:job/{name}", "")
        for step, name in jobs.items()
    )
    return Execution("arn", "Succeeded", "", steps, None)


@pytest.mark.parametrize("known", [None, execution(), execution(Preprocess="a", TrainSegmenter="b")])
def test_a_run_that_has_not_trained_the_stage_is_no_ground_for_a_search(
    searches: Searches, known: Execution | None
) -> None:
    with pytest.raises(RunMissing, match="Name another one"):
        searches.training_of(RUN, known, "detector")


def test_where_sagemaker_has_no_tuning_jobs_the_plain_search_is_named(searches: Searches) -> None:
    request = searches.tuning_request(search())
    with pytest.raises(SettingsInvalid, match="Leave out --as-tuning-job"):
        searches.start_tuning_job(request)


def test_a_search_that_goes_on_is_the_same_but_for_its_size(searches: Searches) -> None:
    first = searches.request(search(name="mine"), None)
    earlier = SearchJob(first["TrainingJobName"], "mine", "Stopped", "", first["HyperParameters"])
    more = searches.request(search(effort=Effort(60, 2, 30_000), name="mine"), earlier)
    assert more["HyperParameters"]["search_trials"] == "60"
    assert more["CheckpointConfig"] == first["CheckpointConfig"]
