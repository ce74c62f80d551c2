"""A run is asked for once, started once, and found again whatever happened in between."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from phenoloop.errors import RegistryFailed, RunEnded, RunMissing, SettingsInvalid
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.runs import STARTS_WITHIN, Run, Runs
from sync.snapshot import Snapshot
from tests.unit.fake_models import release

BUCKET = "phenoloop"
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
TRAINING = TrainingSettings(
    role_arn="arn:aws:iam::000000000000:role/phenoloop-sagemaker",
    training_image=f"{REGISTRY}/phenoloop-training:0123456789ab",
    serving_image=f"{REGISTRY}/phenoloop-serving:1",
)
LIVE = release()


def snapshot(name: str = "snapshot-1") -> Snapshot:
    return Snapshot(
        name=name,
        created_at=datetime.now(UTC),
        labels=("carrot",),
        photos={"train": 12, "validation": 3, "test": 5},
        regions=80,
        left_out={},
        shards={},
        index="",
        url=f"s3://{BUCKET}/snapshots/{name}.json",
    )


class Aws:
    def __init__(self) -> None:
        self.s3: Any = boto3.client("s3", region_name="us-east-1")
        self.sagemaker: Any = boto3.client("sagemaker", region_name="us-east-1")
        self.s3.create_bucket(Bucket=BUCKET)
        self.refuses, self.is_at_work = False, False
        """What SageMaker does with executions; moto's own succeed at once."""
        on = self.sagemaker.meta.events.register
        on("before-call.sagemaker.StartPipelineExecution", self._refuse)
        on("after-call.sagemaker.DescribePipelineExecution", self._tell)

    def runs(self, **changes: Any) -> Runs:
        training = TRAINING.model_copy(update=changes)
        return Runs(self.s3, self.sagemaker, StorageSettings(bucket=BUCKET), training)

    def executions(self) -> int:
        return len(self.sagemaker.list_pipeline_executions(PipelineName="phenoloop")["PipelineExecutionSummaries"])

    def _refuse(self, **_: Any) -> None:
        if self.refuses:
            raise ClientError(
                {"Error": {"Code": "ResourceLimitExceeded", "Message": "a test"}}, "StartPipelineExecution"
            )

    def _tell(self, parsed: dict[str, Any], **_: Any) -> None:
        if self.is_at_work:
            parsed["PipelineExecutionStatus"] = "Executing"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Aws()


def asked(runs: Runs, name: str = "snapshot-1", *, by_itself: bool = True) -> tuple[str, bool]:
    run, is_new = runs.request(snapshot(name), LIVE, reason="a test", by_itself=by_itself)
    return run.name, is_new


def test_the_same_snapshot_parameters_and_code_never_train_twice(aws: Aws) -> None:
    first, is_new = asked(aws.runs())
    assert is_new
    assert asked(aws.runs()) == (first, False)
    assert aws.executions() == 1


def test_other_annotations_parameters_or_code_are_another_run(aws: Aws) -> None:
    names = {
        asked(aws.runs())[0],
        asked(aws.runs(), "snapshot-2")[0],
        asked(aws.runs(parameters={"Seed": 2}))[0],
        asked(aws.runs(training_image=TRAINING.training_image.replace("0123", "4567")))[0],
    }
    assert len(names) == 4
    assert aws.executions() == 4


def test_a_parameter_that_says_what_the_default_says_is_the_same_run(aws: Aws) -> None:
    assert asked(aws.runs())[0] == asked(aws.runs(parameters={"Seed": 1}))[0]


def test_parameters_of_one_run_win_over_the_settings_and_make_another_run(aws: Aws) -> None:
    runs = aws.runs(parameters={"Seed": 2, "DetectorEpochs": 5})
    run, is_new = runs.request(snapshot(), LIVE, reason="a test", by_itself=False, parameters={"DetectorEpochs": 9})
    assert is_new
    assert (run.parameters["Seed"], run.parameters["DetectorEpochs"]) == (2, 9)
    assert asked(runs)[0] != run.name


def test_a_parameter_that_the_pipeline_does_not_have_starts_nothing(aws: Aws) -> None:
    with pytest.raises(SettingsInvalid, match="DetectorEpochs"):
        asked(aws.runs(parameters={"DetectorEpoch": 5}))
    assert aws.runs().list() == []


def test_a_run_that_was_asked_for_but_not_started_is_started_later(aws: Aws) -> None:
    runs = aws.runs()
    name, _ = asked(runs)
    aws.s3.delete_object(Bucket=BUCKET, Key=f"runs/{name}/execution.json")  # as if the worker had died before
    assert runs.arn(runs.get(name)) is None
    runs.start(runs.get(name))
    assert runs.arn(runs.get(name))


def test_the_days_runs_count_only_those_that_started_by_themselves(aws: Aws) -> None:
    asked(aws.runs())
    asked(aws.runs(), "snapshot-2", by_itself=False)
    assert aws.runs().started_today(datetime.now(UTC)) == 1


def test_the_execution_is_told_what_to_learn_from_and_what_to_beat(aws: Aws) -> None:
    runs = aws.runs()
    run = runs.get(asked(runs)[0])
    assert run.parameters["SnapshotUrl"] == "s3://phenoloop/snapshots/snapshot-1.json"
    assert run.parameters["LiveDetectorUrl"] == LIVE.detector.model_data_url
    manifest_key = str(run.parameters["LiveManifestUrl"]).removeprefix(f"s3://{BUCKET}/")
    assert aws.s3.get_object(Bucket=BUCKET, Key=manifest_key)


def test_without_its_images_training_is_refused_by_the_settings_name(aws: Aws) -> None:
    with pytest.raises(SettingsInvalid, match="TRAINING_IMAGE"):
        asked(aws.runs(training_image=""))


def test_an_unknown_run_is_a_clear_error(aws: Aws) -> None:
    with pytest.raises(RunMissing):
        aws.runs().get("nothing")


def evaluated(aws: Aws, run: str, retrain: str) -> None:
    body = json.dumps({"blame": {"retrain": retrain}})
    aws.s3.put_object(Bucket=BUCKET, Key=f"runs/{run}/evaluation/evaluation.json", Body=body.encode())


def test_a_run_of_the_stage_to_blame_asks_the_newest_evaluation(aws: Aws) -> None:
    runs = aws.runs(parameters={"Stages": "auto"})
    first, _ = runs.request(snapshot(), LIVE, reason="a test", by_itself=True)
    evaluated(aws, first.name, "detector")
    second, _ = runs.request(snapshot("snapshot-2"), LIVE, reason="a test", by_itself=True)
    assert (first.parameters["Stages"], second.parameters["Stages"]) == ("both", "detector")


def test_the_report_of_a_run_that_was_not_evaluated_is_missing(aws: Aws) -> None:
    run, _ = aws.runs().request(snapshot(), LIVE, reason="a test", by_itself=False)
    with pytest.raises(RunMissing):
        aws.runs().report(run)


# Asked for, but not started


def test_of_runs_that_sagemaker_refused_only_the_newest_is_started_later(aws: Aws) -> None:
    runs = aws.runs()
    for number in range(3):
        refused(aws, f"snapshot-{number}")
    known = runs.list()
    assert [runs.status(run) for run in known] == ["Overtaken", "Overtaken", "Requested"]
    assert runs.unstarted(known) == known[-1]
    runs.start(known[-1])
    assert runs.unstarted(known) is None


def test_a_run_that_was_refused_waits_for_the_one_at_work(aws: Aws) -> None:
    asked(aws.runs())
    waiting = refused(aws, "snapshot-2")
    aws.is_at_work = True
    assert aws.runs().unstarted(aws.runs().list()) is None
    aws.is_at_work = False
    assert aws.runs().unstarted(aws.runs().list()) == waiting


def test_a_run_that_sagemaker_does_not_take_hides_none_that_is_at_work(aws: Aws) -> None:
    runs, aws.is_at_work = aws.runs(), True
    at_work = runs.get(asked(runs)[0])
    just_now = refused(aws, "snapshot-2")
    long_ago = just_now.model_copy(update={"requested_at": just_now.requested_at - 2 * STARTS_WITHIN})
    assert runs.working([at_work, just_now]) == just_now
    assert runs.working([at_work, long_ago]) == at_work


def test_what_an_overtaken_run_should_have_learnt_may_be_asked_for_again(aws: Aws) -> None:
    overtaken = refused(aws, "snapshot-1")
    refused(aws, "snapshot-2")
    assert not aws.runs().is_done_with("snapshot-1")
    assert asked(aws.runs(), "snapshot-1") == (f"{overtaken.name}-2", True)


def test_a_run_that_is_stopped_before_it_was_started_never_is(aws: Aws) -> None:
    run, runs = refused(aws), aws.runs()
    runs.stop(run)
    assert (runs.status(run), runs.unstarted([run]), runs.is_done_with(run.snapshot)) == ("Stopped", None, True)
    with pytest.raises(RunEnded):
        runs.stop(run)
    assert asked(runs) == (f"{run.name}-2", True)


def refused(aws: Aws, name: str = "snapshot-1") -> Run:
    """A run that SageMaker did not take; it would take the next one."""
    aws.refuses = True
    with pytest.raises(RegistryFailed):
        asked(aws.runs(), name)
    aws.refuses = False
    return aws.runs().list()[-1]
