"""A small search of hyperparameters by the real training, as a job of the local SageMaker."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.tuning.searches import Searches, SearchJob
from sync.tuning.space import Range, Space
from sync.tuning.wanted import Effort, Wanted, wanted
from tests.conftest import eventually
from tests.contract.sagemaker_jobs import keys, read
from tests.contract.sagemaker_server import BUCKET, CREDENTIALS, SageMakerServer
from tests.integration.training_jobs import few_scenes, objects_of, write_channel
from tests.unit.tuning_things import IMAGE, run_training

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
pytest_plugins = ("tests.contract.sagemaker_fixtures",)

TRIALS = 3
SPACE: Space = {"learning_rate": Range(low=0.001, high=0.01, logarithmic=True), "batch_size": ["1", "2"]}
SMALL = {"epochs": "2", "side_px": "128", "batch_size": "1", "augmentation": "light", "patience": "0"}


@pytest.fixture(scope="module")
def server(moto_url: str, training_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SageMakerServer]:
    server = TrainingServer(tmp_path_factory.mktemp("sagemaker"), moto_url, training_python)
    server.start()
    yield server
    server.stop()


class TrainingServer(SageMakerServer):
    """With the real training container."""

    def __init__(self, data_dir: Path, s3_url: str, training_python: Path) -> None:
        super().__init__(data_dir, s3_url)
        self._environment = os.environ | CREDENTIALS | {"AWS_ENDPOINT_URL": s3_url, "AWS_ENDPOINT_URL_S3": s3_url}
        self._training_python = training_python

    def spawn(self) -> "subprocess.Popen[bytes]":
        options = ["--port", str(self.port), "--data-dir", str(self.data_dir)]
        container = f"--container=phenoloop-training={self._training_python}:training"
        command = [sys.executable, "-m", "phenoloop.local_aws.sagemaker", *options, container]
        return subprocess.Popen(command, cwd=REPOSITORY, env=self._environment)


@pytest.fixture(scope="module")
def searches(server: SageMakerServer) -> Searches:
    settings = TrainingSettings(training_image=IMAGE)
    return Searches(server.s3, server.control, StorageSettings(bucket=BUCKET), settings)


@pytest.fixture(scope="module")
def small(server: SageMakerServer, tmp_path_factory: pytest.TempPathFactory) -> Wanted:
    """A search on four scenes, two of them to learn from."""
    scenes, folder = few_scenes(), tmp_path_factory.mktemp("channels")
    for name, some in {"train": scenes[:2], "validation": scenes[2:3], "test": scenes[3:]}.items():
        write_channel(folder / name, some, [objects_of(scene) for scene in some])
        for file in (folder / name).iterdir():
            server.s3.upload_file(str(file), BUCKET, f"runs/a/preprocess/{name}/{file.name}")
    base = run_training(spot=False, **SMALL)
    for channel in base.job["InputDataConfig"]:
        source = channel["DataSource"]["S3DataSource"]
        source["S3Uri"] = source["S3Uri"].replace("s3://loop/", f"s3://{BUCKET}/")
    base = replace(base, test_url=f"s3://{BUCKET}/runs/a/preprocess/test")
    return wanted(base, SPACE, Effort(TRIALS, 1, 900))


@pytest.fixture(scope="module")
def done(searches: Searches, small: Wanted) -> SearchJob:
    """The search, stopped after its first trial and taken up by another job."""
    first = searches.start(searches.request(small, None))
    eventually(lambda: over(searches, first) or not searches.job(first.job_name).is_at_work, within_s=300)
    searches.stop(searches.job(first.job_name))
    stopped = ended(searches, first)
    assert stopped.status == "Stopped", stopped.failure_reason
    return ended(searches, searches.start(searches.request(small, stopped)))


def ended(searches: Searches, job: SearchJob) -> SearchJob:
    def look() -> SearchJob | None:
        now = searches.job(job.job_name)
        return None if now.is_at_work else now

    return eventually(look, within_s=600)


def over(searches: Searches, job: SearchJob) -> list[Mapping[str, Any]]:
    trials = (searches.report(job.search) or {"trials": []})["trials"]
    return [trial for trial in trials if trial["state"] in ("complete", "pruned", "failed")]


def test_a_search_that_was_stopped_goes_on_to_its_end(searches: Searches, done: SearchJob) -> None:
    assert done.status == "Completed", done.failure_reason
    report = searches.report(done.search)
    assert report
    assert report["state"] == "done"
    assert len(over(searches, done)) == TRIALS
    first = report["trials"][0]
    assert first["values"] == {"learning_rate": 0.005, "batch_size": "1"}
    assert report["current"] == 0
    best = next(trial for trial in report["trials"] if trial["number"] == report["best"])
    assert best["validation"] == max(trial["validation"] for trial in report["trials"] if trial["state"] == "complete")


def test_the_best_and_the_current_values_are_measured_on_the_test_photos(searches: Searches, done: SearchJob) -> None:
    report = searches.report(done.search)
    assert report
    assert report["test"]["photos"] == 1
    assert 0 <= report["test"]["current"] <= 1
    assert 0 <= report["test"]["best"] <= 1


def test_the_job_ends_with_the_best_trials_model_and_says_its_quality(
    server: SageMakerServer, searches: Searches, done: SearchJob
) -> None:
    described = server.control.describe_training_job(TrainingJobName=done.job_name)
    about = json.loads(tar_member(read(server, described["ModelArtifacts"]["S3ModelArtifacts"]), "model.json"))
    report = searches.report(done.search)
    assert report
    assert about["version"] == f"trial-{report['best']:03d}"
    (metric,) = [m for m in described["FinalMetricDataList"] if m["MetricName"] == "search:best"]
    best = next(trial for trial in report["trials"] if trial["number"] == report["best"])
    assert metric["Value"] == pytest.approx(best["validation"], abs=1e-4)


def tar_member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.extractfile(name).read()  # type: ignore[union-attr]


def test_each_trial_has_its_curves_and_its_line_in_tensorboards_table(
    server: SageMakerServer, done: SearchJob, small: Wanted
) -> None:
    url = f"s3://{BUCKET}/runs/searches/{small.name}/tensorboard"
    files = [key for key in keys(server, url) if "tfevents" in key]
    events = b"".join(read(server, f"{url}/{key}") for key in files if done.job_name in key)
    assert b"_hparams_/session_start_info" in events
    assert b"validation/quality" in events


def test_a_search_of_which_no_trial_comes_to_its_end_fails_with_the_first_reason(
    searches: Searches, small: Wanted
) -> None:
    told = small.base.hyperparameters | {"encoder": "no_such_network"}
    base = replace(small.base, job=small.base.job | {"HyperParameters": told})
    failing = wanted(base, {"batch_size": ["1"]}, Effort(2, 2, 600))
    job = ended(searches, searches.start(searches.request(failing, None)))
    assert job.status == "Failed"
    assert "No trial came to its end" in job.failure_reason
    assert "no_such_network" in job.failure_reason
