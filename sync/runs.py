"""Training runs: one immutable request each, `runs/NAME.json`, and the pipeline execution it led to.

The name is a hash of snapshot, parameters and code, and the object is written once: the same thing never trains twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from phenoloop.chain.release import Release
from phenoloop.chain.s3_errors import listed, s3_errors
from phenoloop.errors import BucketMissing, RunMissing, SettingsInvalid, WriteConflict
from phenoloop.logs import current_trace_id
from phenoloop.settings import StorageSettings, TrainingSettings
from sync import pipeline
from sync.sagemaker_errors import sagemaker_errors

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient

    from sync.snapshot import Snapshot

FAILED = ("Failed", "Stopped")
ENDED = ("Succeeded", *FAILED)
REQUESTED = "Requested"
STARTS_WITHIN = timedelta(minutes=10)
"""A run that SageMaker does not take for so long is in no other's way."""
ATTEMPTS = 2
"""Of one snapshot by the policy; a person may go on."""
DAY = timedelta(hours=24)


class Run(BaseModel):
    """What was asked for, and why."""

    model_config = ConfigDict(frozen=True)

    name: str
    snapshot: str
    """Name of the snapshot it learns from."""
    index: str = ""
    """Of the snapshot when the run was asked for, SHA-256; older records lack it."""
    photos: dict[str, int]
    """Of the snapshot, by split."""
    parameters: dict[str, str | int | float]
    """Of the execution, as far as they differ from the pipeline's defaults."""
    live_release: str
    """Which the candidate has to beat."""
    reason: str
    by_itself: bool
    """The policy started it; else a person did."""
    requested_at: datetime
    trace_id: str = ""
    """Of the look or the command that asked for it: what its release and the jobs that follow log has it too."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How far a run is."""

    arn: str
    status: str
    """SageMaker's: Executing, Stopping, Stopped, Failed, Succeeded."""
    failure_reason: str
    steps: Mapping[str, str]
    """Step name -> its status, in order of their start."""
    package_arn: str | None
    """What it registered."""


class Runs:
    """The run records of one bucket and their executions. What never changes is read once."""

    def __init__(
        self, s3: S3Client, sagemaker: SageMakerClient, storage: StorageSettings, training: TrainingSettings
    ) -> None:
        self._s3, self._sagemaker, self._storage, self._training = s3, sagemaker, storage, training
        self._known: dict[str, Run] = {}
        self._arns: dict[str, str] = {}
        self._ended: dict[str, str] = {}

    def request(self, snapshot: Snapshot, live: Release, *, reason: str, by_itself: bool) -> tuple[Run, bool]:
        """The run of this snapshot, with today's parameters and code; whether it is new.

        If the one before failed or was stopped, it is another attempt. Raises SettingsInvalid, StorageUnavailable,
        RegistryFailed, SageMakerUnavailable.
        """
        identity = self._identity(snapshot)
        attempts = [run for run in self.list() if run.name.partition("-")[0] == identity]
        if attempts and self.status(attempts[-1]) not in FAILED:
            self.start(attempts[-1])  # if whoever asked for it did not come to that
            return attempts[-1], False
        name = identity if not attempts else f"{identity}-{len(attempts) + 1}"
        self._write_once(_manifest_of(name, live), json.dumps(live.manifest))
        run = Run(
            name=name,
            snapshot=snapshot.name,
            index=snapshot.index,
            photos={str(split): count for split, count in snapshot.photos.items()},
            parameters=self._training.parameters | self._given(name, snapshot, live),
            live_release=live.name,
            reason=reason,
            by_itself=by_itself,
            requested_at=datetime.now(UTC),
            trace_id=current_trace_id() or "",
        )
        is_new = self._write_once(f"{name}.json", run.model_dump_json(indent=2))
        run = run if is_new else self.get(name)
        self.start(run)
        return run, is_new

    def start(self, run: Run) -> str:
        """Have SageMaker execute the run; the execution's ARN. Started before, it is not started again.

        Raises RegistryFailed, SageMakerUnavailable, StorageUnavailable.
        """
        known = self.arn(run)
        if known:
            return known
        with sagemaker_errors(run=run.name):
            pipeline.upsert(self._sagemaker, self._storage, self._training)
            arn = self._sagemaker.start_pipeline_execution(
                PipelineName=self._training.pipeline,
                PipelineExecutionDisplayName=f"run-{run.name}",
                PipelineParameters=[{"Name": k, "Value": str(v)} for k, v in sorted(run.parameters.items())],
                ClientRequestToken=hashlib.sha256(run.name.encode()).hexdigest(),
            )["PipelineExecutionArn"]
        self._write_once(f"{run.name}/execution.json", json.dumps({"arn": arn}))
        structlog.get_logger().info("run started", run=run.name, snapshot=run.snapshot, reason=run.reason)
        return arn

    def list(self) -> list[Run]:
        """Oldest first. Raises BucketMissing, StorageUnavailable."""
        prefix = self._storage.runs_prefix
        with s3_errors(BucketMissing, prefix=prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._storage.bucket, Prefix=prefix, Delimiter="/"
            )
            keys = [item["Key"] for item in listed(pages)]
        names = [key.removeprefix(prefix).removesuffix(".json") for key in keys if key.endswith(".json")]
        return sorted(self._readable(names), key=lambda run: run.requested_at)

    def get(self, name: str) -> Run:
        """Raises RunMissing, StorageUnavailable."""
        if name not in self._known:
            try:
                self._known[name] = Run.model_validate_json(self._read(f"{name}.json"))
            except ValidationError as error:
                raise RunMissing("The run's record can't be read.", run=name) from error
        return self._known[name]

    def execution(self, run: Run) -> Execution | None:
        """None if it was asked for but not started yet. Raises RegistryFailed, SageMakerUnavailable."""
        arn = self.arn(run)
        if arn is None:
            return None
        with sagemaker_errors(run=run.name):
            described = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            pages = self._sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
                PipelineExecutionArn=arn, SortOrder="Ascending"
            )
            steps = [step for page in pages for step in page["PipelineExecutionSteps"]]
        metadata = [step.get("Metadata", {}) for step in steps]
        registered = [m["RegisterModel"]["Arn"] for m in metadata if m.get("RegisterModel", {}).get("Arn")]
        return Execution(
            arn=arn,
            status=described["PipelineExecutionStatus"],
            failure_reason=described.get("FailureReason", ""),
            steps={step["StepName"]: step["StepStatus"] for step in steps},
            package_arn=registered[0] if registered else None,
        )

    def evaluation(self, run: Run) -> dict[str, Any] | None:
        """What the evaluation step wrote; None if it did not come to that. Raises StorageUnavailable."""
        try:
            return dict(json.loads(self._read(f"{run.name}/evaluation/evaluation.json")))
        except RunMissing:
            return None

    def working(self) -> Run | None:
        """The newest run, unless it has ended or SageMaker does not take it.

        Raises StorageUnavailable, RegistryFailed, SageMakerUnavailable.
        """
        for run in self.list()[-1:]:
            status, age = self.status(run), datetime.now(UTC) - run.requested_at
            if status not in ENDED and not (status == REQUESTED and age > STARTS_WITHIN):
                return run
        return None

    def is_done_with(self, snapshot_name: str) -> bool:
        """Whether a run has trained on it, still does, or has failed at it twice."""
        runs = [run for run in self.list() if run.snapshot == snapshot_name]
        return len(runs) >= ATTEMPTS or any(self.status(run) not in FAILED for run in runs)

    def started_today(self, now: datetime) -> int:
        """How many the policy started within the last 24 hours."""
        return sum(run.by_itself and run.requested_at > now - DAY for run in self.list())

    def _readable(self, names: Iterable[str]) -> Iterator[Run]:
        for name in names:
            try:
                yield self.get(name)
            except RunMissing as error:  # someone else's object must not stop all learning
                structlog.get_logger().warning("run record passed over", run=name, error=str(error))

    def _identity(self, snapshot: Snapshot) -> str:
        if not self._training.training_image or not self._training.role_arn:
            raise SettingsInvalid(
                "Training is not set up.",
                cure="Set PHENOLOOP_TRAINING__TRAINING_IMAGE, __SERVING_IMAGE and __ROLE_ARN.",
            )
        parts = {
            "snapshot": snapshot.name,
            "parameters": pipeline.DEFAULTS | self._training.parameters,
            "images": [self._training.training_image, self._training.serving_image],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def _given(self, name: str, snapshot: Snapshot, live: Release) -> dict[str, str | int | float]:
        return {
            "Run": name,
            "SnapshotUrl": snapshot.url,
            "LiveDetectorUrl": live.detector.model_data_url,
            "LiveSegmenterUrl": live.segmenter.model_data_url,
            "LiveManifestUrl": f"s3://{self._storage.bucket}/{self._storage.runs_prefix}{_manifest_of(name, live)}",
        }

    def status(self, run: Run) -> str:
        """SageMaker's, of what has ended asked once; Requested before it was told."""
        if run.name in self._ended:
            return self._ended[run.name]
        arn = self.arn(run)
        if arn is None:
            return REQUESTED
        with sagemaker_errors(run=run.name):
            described = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        status = str(described["PipelineExecutionStatus"])
        if status in ENDED:
            self._ended[run.name] = status
        return status

    def arn(self, run: Run) -> str | None:
        """Of its execution; None before SageMaker was told. Raises StorageUnavailable."""
        if run.name not in self._arns:
            try:
                self._arns[run.name] = str(json.loads(self._read(f"{run.name}/execution.json"))["arn"])
            except RunMissing:
                return None
        return self._arns[run.name]

    def _read(self, name: str) -> bytes:
        key = self._storage.runs_prefix + name
        with s3_errors(RunMissing, key=key):
            return self._s3.get_object(Bucket=self._storage.bucket, Key=key)["Body"].read()

    def _write_once(self, name: str, text: str) -> bool:
        """Whether it was not there yet."""
        key = self._storage.runs_prefix + name
        try:
            with s3_errors(BucketMissing, key=key):
                self._s3.put_object(
                    Bucket=self._storage.bucket,
                    Key=key,
                    Body=text.encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
        except WriteConflict:
            return False
        return True


def _manifest_of(run_name: str, live: Release) -> str:
    return f"{run_name}/live/{live.name}/manifest.json"
