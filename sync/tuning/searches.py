"""Searches in SageMaker: started, found again by their jobs' names, followed by what they leave in S3, stopped.

Several jobs may do one search, one after the other: they share its checkpoints, and each goes on where the one before
was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from phenoloop.errors import RunEnded, RunMissing, SettingsInvalid
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.executions import Execution
from sync.pipeline.expressions import Json
from sync.run_objects import RunObjects
from sync.runs import Run
from sync.sagemaker_errors import sagemaker_errors
from sync.tuning.requests import search_folder, search_job, tuning_job
from sync.tuning.wanted import RunTraining, Wanted, going_on

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient

PREFIX = "phenoloop-search-"
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}")
_JOB_NAME = re.compile(rf"{PREFIX}(?P<name>.+)-\d{{12}}")
AT_WORK = ("InProgress", "Stopping")


@dataclass(frozen=True, slots=True)
class SearchJob:
    job_name: str
    search: str
    status: str
    """SageMaker's: InProgress, Completed, Failed, Stopping, Stopped."""
    failure_reason: str
    hyperparameters: Mapping[str, str]

    @property
    def is_at_work(self) -> bool:
        return self.status in AT_WORK

    def covers(self, trials: int) -> bool:
        """Whether another job is of no use: this one is at work, or has done so many."""
        return self.is_at_work or (self.status == "Completed" and trials <= int(self.hyperparameters["search_trials"]))


class Searches:
    """Every method raises RegistryFailed, SageMakerUnavailable and, where it reads S3, StorageUnavailable."""

    def __init__(
        self, s3: S3Client, sagemaker: SageMakerClient, storage: StorageSettings, training: TrainingSettings
    ) -> None:
        self._sagemaker, self._storage, self._training = sagemaker, storage, training
        self._objects = RunObjects(s3, storage.bucket, storage.runs_prefix)

    def training_of(self, run: Run, execution: Execution | None, stage: str) -> RunTraining:
        """Of a stage of the run, even if an earlier run did it. Raises RunMissing if it has not come to that."""
        made = {step.name: step.made.rpartition("/")[2] for step in (execution.progress if execution else ())}
        train, prepare = made.get(f"Train{stage.capitalize()}"), made.get("Preprocess")
        if not train or not prepare:
            raise RunMissing("The run has not trained this stage.", cure="Name another one.", run=run.name, stage=stage)
        with sagemaker_errors(run=run.name):
            job = self._sagemaker.describe_training_job(TrainingJobName=train)
            prepared = self._sagemaker.describe_processing_job(ProcessingJobName=prepare)
        outputs = {o["OutputName"]: o for o in prepared["ProcessingOutputConfig"]["Outputs"]}
        return RunTraining(run.name, run.snapshot, stage, dict(job), outputs["test"]["S3Output"]["S3Uri"])

    def request(self, search: Wanted, earlier: SearchJob | None) -> Json:
        """Of a job that begins the search, or goes on with what an earlier job of it left. Raises SettingsInvalid."""
        search = going_on(search, earlier.hyperparameters) if earlier else search
        return search_job(search, job_name(search.name), self._storage, self._image())

    def start(self, request: Json) -> SearchJob:
        name = request["TrainingJobName"]
        with sagemaker_errors(job=name):
            self._sagemaker.create_training_job(**request)
        return self.job(name)

    def tuning_request(self, search: Wanted) -> Json:
        """Of SageMaker's own tuning job. Raises SettingsInvalid."""
        return tuning_job(search, tuning_job_name(search.base.stage), self._storage, self._image())

    def start_tuning_job(self, request: Json) -> None:
        """Raises SettingsInvalid where SageMaker has no tuning jobs, as on one machine."""
        with sagemaker_errors(job=request["HyperParameterTuningJobName"]):
            try:
                self._sagemaker.create_hyper_parameter_tuning_job(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] != "UnknownOperationException":
                    raise
                raise SettingsInvalid(
                    "This SageMaker has no tuning jobs.",
                    cure="Leave out --as-tuning-job: the same search then runs as one training job.",
                ) from error

    def newest(self, search: str = "") -> SearchJob | None:
        """The last job of the search, or of any."""
        contains = f"{PREFIX}{search}-" if search else PREFIX
        with sagemaker_errors(search=search):
            pages = self._sagemaker.get_paginator("list_training_jobs").paginate(
                NameContains=contains, SortBy="CreationTime", SortOrder="Descending"
            )
            names = (item["TrainingJobName"] for page in pages for item in page["TrainingJobSummaries"])
            name = next((name for name in names if _search_of(name) and search in ("", _search_of(name))), None)
        return self.job(name) if name else None

    def job(self, job_name: str) -> SearchJob:
        with sagemaker_errors(job=job_name):
            found = self._sagemaker.describe_training_job(TrainingJobName=job_name)
        return SearchJob(
            job_name,
            _search_of(job_name),
            found["TrainingJobStatus"],
            found.get("FailureReason", ""),
            found.get("HyperParameters", {}),
        )

    def report(self, search: str) -> dict[str, Any] | None:
        """What it has found so far; None before its first trial begins."""
        try:
            return dict(json.loads(self._objects.read(f"{search_folder(search)}/checkpoints/search.json")))
        except RunMissing:
            return None

    def stop(self, job: SearchJob) -> None:
        """Within two minutes; what it has found stays. Raises RunEnded."""
        if job.status != "InProgress":
            raise RunEnded("The search is not at work.", search=job.search, status=job.status)
        with sagemaker_errors(job=job.job_name):
            self._sagemaker.stop_training_job(TrainingJobName=job.job_name)

    def _image(self) -> str:
        """Today's code."""
        if not self._training.training_image:
            raise SettingsInvalid("Training is not set up.", cure="Set PHENOLOOP_TRAINING__TRAINING_IMAGE.")
        return self._training.training_image


def job_name(search: str, now: datetime | None = None) -> str:
    """Raises SettingsInvalid if SageMaker takes no such name."""
    if not NAME.fullmatch(search):
        raise SettingsInvalid("A search's name is of up to 32 letters, digits and hyphens.", name=search)
    return f"{PREFIX}{search}-{_stamp(now)}"


def tuning_job_name(stage: str, now: datetime | None = None) -> str:
    return f"phenoloop-{stage}-{_stamp(now)}"


def _stamp(now: datetime | None) -> str:
    return f"{now or datetime.now(UTC):%y%m%d%H%M%S}"


def _search_of(name: str) -> str:
    """Empty if the job is none of a search."""
    match = _JOB_NAME.fullmatch(name)
    return match["name"] if match else ""
