"""Training runs: one immutable request each, `runs/NAME.json`, and the pipeline execution it led to.

The name is a hash of snapshot, parameters and code, and the object is written once: the same thing never trains twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from phenoloop.chain.release import Release
from phenoloop.errors import RunEnded, RunMissing, SettingsInvalid
from phenoloop.logs import current_trace_id
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.executions import ENDED, FAILED, OVERTAKEN, REQUESTED, Execution, execution
from sync.pipeline.definition import upsert
from sync.pipeline.parameters import AUTO, Value, checked, defaults
from sync.run_objects import Run, RunObjects
from sync.sagemaker_errors import sagemaker_errors

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient

    from sync.snapshot import Snapshot

__all__ = ["Run", "Runs"]

STARTS_WITHIN = timedelta(minutes=10)
"""A run that SageMaker does not take for so long is in no other's way."""
ATTEMPTS = 2
"""Of one snapshot by the policy; a person may go on."""
DAY = timedelta(hours=24)


class Runs:
    """The run records of one bucket and their executions. What never changes is read once."""

    def __init__(
        self, s3: S3Client, sagemaker: SageMakerClient, storage: StorageSettings, training: TrainingSettings
    ) -> None:
        self._sagemaker, self._storage, self._training = sagemaker, storage, training
        self._objects = RunObjects(s3, storage.bucket, storage.runs_prefix)
        self._known: dict[str, Run] = {}
        self._newest: Run | None = None
        """When last listed."""
        self._arns: dict[str, str] = {}
        self._ended: dict[str, str] = {}

    def request(
        self,
        snapshot: Snapshot,
        live: Release,
        *,
        reason: str,
        by_itself: bool,
        parameters: Mapping[str, Value] | None = None,
    ) -> tuple[Run, bool]:
        """The run of this snapshot, with today's parameters and code; whether it is new.

        `parameters` win over the settings' own. If the run before failed or was stopped, it is another attempt. Raises
        SettingsInvalid, StorageUnavailable, RegistryFailed, SageMakerUnavailable.
        """
        wanted = checked({**self._training.parameters, **(parameters or {})})
        if wanted.get("Stages") == AUTO:
            wanted["Stages"] = self._to_blame()
        identity = self._identity(snapshot, wanted)
        attempts = [run for run in self.list() if _identity_of(run.name) == identity]
        if attempts and self.status(attempts[-1]) not in FAILED:
            self.start(attempts[-1])  # if whoever asked for it did not come to that
            return attempts[-1], False
        name = identity if not attempts else f"{identity}-{len(attempts) + 1}"
        self._objects.write_once(_manifest_of(name, live), json.dumps(live.manifest))
        run = Run(
            name=name,
            snapshot=snapshot.name,
            index=snapshot.index,
            photos={str(split): count for split, count in snapshot.photos.items()},
            parameters=wanted | self._given(name, snapshot, live),
            live_release=live.name,
            reason=reason,
            by_itself=by_itself,
            requested_at=datetime.now(UTC),
            trace_id=current_trace_id() or "",
        )
        is_new = self._objects.write_once(f"{name}.json", run.model_dump_json(indent=2))
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
            upsert(self._sagemaker, self._storage, self._training)
            arn = self._sagemaker.start_pipeline_execution(
                PipelineName=self._training.pipeline,
                PipelineExecutionDisplayName=f"run-{run.name}",
                PipelineParameters=[{"Name": k, "Value": str(v)} for k, v in sorted(run.parameters.items())],
                ClientRequestToken=hashlib.sha256(run.name.encode()).hexdigest(),
            )["PipelineExecutionArn"]
        self._objects.write_once(f"{run.name}/execution.json", json.dumps({"arn": arn}))
        structlog.get_logger().info("run started", run=run.name, snapshot=run.snapshot, reason=run.reason)
        return arn

    def upsert(self) -> str:
        """Have SageMaker know the pipeline as it is here; whether it is created, updated or unchanged.

        Raises SettingsInvalid, RegistryFailed, SageMakerUnavailable.
        """
        self._require_images()
        with sagemaker_errors(pipeline=self._training.pipeline):
            return upsert(self._sagemaker, self._storage, self._training)

    def list(self) -> list[Run]:
        """Oldest first. Raises BucketMissing, StorageUnavailable."""
        names = [name.removesuffix(".json") for name in self._objects.names() if name.endswith(".json")]
        runs = sorted(self._readable(names), key=lambda run: run.requested_at)
        self._newest = runs[-1] if runs else None
        return runs

    def get(self, name: str) -> Run:
        """Raises RunMissing, StorageUnavailable."""
        if name not in self._known:
            try:
                self._known[name] = Run.model_validate_json(self._objects.read(f"{name}.json"))
            except ValidationError as error:
                raise RunMissing("The run's record can't be read.", run=name) from error
        return self._known[name]

    def execution(self, run: Run) -> Execution | None:
        """None if it was asked for but not started yet. Raises RegistryFailed, SageMakerUnavailable."""
        arn = self.arn(run)
        if arn is None:
            return None
        with sagemaker_errors(run=run.name):
            return execution(self._sagemaker, arn)

    def stop(self, run: Run) -> None:
        """Have SageMaker stop the execution: running jobs end within two minutes, nothing is registered.

        One that was not started yet never will be. Raises RunEnded, StorageUnavailable, RegistryFailed,
        SageMakerUnavailable.
        """
        status, arn = self.status(run), self.arn(run)
        if status in ENDED:
            raise RunEnded("The run is not at work.", run=run.name, status=status)
        if arn is None:
            self._objects.write_once(_stop_of(run), json.dumps({"stopped_at": datetime.now(UTC).isoformat()}))
            return
        with sagemaker_errors(run=run.name):
            self._sagemaker.stop_pipeline_execution(
                PipelineExecutionArn=arn, ClientRequestToken=hashlib.sha256(f"stop {arn}".encode()).hexdigest()
            )

    def evaluation(self, run: Run) -> dict[str, Any] | None:
        """What the evaluation step wrote; None if it did not come to that. Raises StorageUnavailable."""
        try:
            return dict(json.loads(self._objects.read(f"{run.name}/evaluation/evaluation.json")))
        except RunMissing:
            return None

    def report(self, run: Run) -> bytes:
        """The evaluation's page. Raises RunMissing if it did not come to that, StorageUnavailable."""
        return self._objects.read(f"{run.name}/evaluation/report.html")

    def working(self, known: Sequence[Run] | None = None) -> Run | None:
        """The newest run that SageMaker took, or may be about to take, unless it has ended.

        `known` spares listing them. Raises StorageUnavailable, RegistryFailed, SageMakerUnavailable.
        """
        for run in reversed(self.list() if known is None else known):
            status, age = self.status(run), datetime.now(UTC) - run.requested_at
            if self.arn(run) or (status == REQUESTED and age <= STARTS_WITHIN):
                return None if status in ENDED else run
        return None

    def unstarted(self, known: Sequence[Run]) -> Run | None:
        """The newest of the `known` runs, if it waits to be started and is in no other's way.

        Raises StorageUnavailable, RegistryFailed, SageMakerUnavailable.
        """
        if not known or self.status(known[-1]) != REQUESTED or self.working(known[:-1]) is not None:
            return None
        return known[-1]

    def is_done_with(self, snapshot_name: str, known: Sequence[Run] | None = None) -> bool:
        """Whether a run has trained on it, still does, was stopped by someone, or has failed at it twice."""
        runs = [run for run in (self.list() if known is None else known) if run.snapshot == snapshot_name]
        ends = [status for run in runs if (status := self.status(run)) != OVERTAKEN]
        return len(ends) >= ATTEMPTS or any(status != "Failed" for status in ends)

    def started_today(self, now: datetime, known: Sequence[Run] | None = None) -> int:
        """How many the policy asked for within the last 24 hours."""
        return sum(run.by_itself and run.requested_at > now - DAY for run in (self.list() if known is None else known))

    def _readable(self, names: Iterable[str]) -> Iterator[Run]:
        for name in names:
            try:
                yield self.get(name)
            except RunMissing as error:  # someone else's object must not stop all learning
                structlog.get_logger().warning("run record passed over", run=name, error=str(error))

    def _to_blame(self) -> str:
        """The stage that the newest evaluation would train next, `both` if there is none."""
        for run in reversed(self.list()):
            if found := self.evaluation(run):
                return str(found.get("blame", {}).get("retrain", "both"))
        return "both"

    def _require_images(self) -> None:
        if not self._training.training_image or not self._training.role_arn:
            raise SettingsInvalid(
                "Training is not set up.",
                cure="Set PHENOLOOP_TRAINING__TRAINING_IMAGE, __SERVING_IMAGE and __ROLE_ARN.",
            )

    def _identity(self, snapshot: Snapshot, parameters: Mapping[str, Value]) -> str:
        self._require_images()
        parts = {
            "snapshot": snapshot.name,
            "parameters": {**defaults(), **parameters},
            "images": [self._training.training_image, self._training.serving_image],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def _given(self, name: str, snapshot: Snapshot, live: Release) -> dict[str, Value]:
        """Checkpoints are the identity's, so that another attempt goes on where the one before was."""
        runs_url = f"s3://{self._storage.bucket}/{self._storage.runs_prefix}"
        return {
            "Run": name,
            "SnapshotUrl": snapshot.url,
            "CheckpointsUrl": f"{runs_url}{_identity_of(name)}/checkpoints",
            "LiveDetectorUrl": live.detector.model_data_url,
            "LiveSegmenterUrl": live.segmenter.model_data_url,
            "LiveManifestUrl": f"{runs_url}{_manifest_of(name, live)}",
        }

    def status(self, run: Run) -> str:
        """SageMaker's, of what has ended asked once; before it was told Requested, or Stopped or Overtaken for good."""
        if run.name in self._ended:
            return self._ended[run.name]
        arn = self.arn(run)
        if arn is None:
            return self._status_untold(run)
        with sagemaker_errors(run=run.name):
            described = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        status = str(described["PipelineExecutionStatus"])
        if status in ENDED:
            self._ended[run.name] = status
        return status

    def _status_untold(self, run: Run) -> str:
        if self._objects.has(_stop_of(run)):
            return "Stopped"
        newest = self._newest or (self.list() or [run])[-1]
        return OVERTAKEN if newest.requested_at > run.requested_at else REQUESTED

    def arn(self, run: Run) -> str | None:
        """Of its execution; None before SageMaker was told. Raises StorageUnavailable."""
        if run.name not in self._arns:
            try:
                self._arns[run.name] = str(json.loads(self._objects.read(f"{run.name}/execution.json"))["arn"])
            except RunMissing:
                return None
        return self._arns[run.name]


def _identity_of(run_name: str) -> str:
    """What all attempts at a run share."""
    return run_name.partition("-")[0]


def _stop_of(run: Run) -> str:
    """Is there if it was stopped before it was started."""
    return f"{run.name}/stopped.json"


def _manifest_of(run_name: str, live: Release) -> str:
    return f"{run_name}/live/{live.name}/manifest.json"
