"""Steps that need not run again, and steps that are tried again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phenoloop.local_aws.sagemaker.errors import InternalFailure
from phenoloop.local_aws.sagemaker.pipelines.caching import CacheConfig
from phenoloop.local_aws.sagemaker.pipelines.executor import Executor
from phenoloop.local_aws.sagemaker.pipelines.records import Execution, ExecutionStatus
from phenoloop.local_aws.sagemaker.pipelines.steps import Steps
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.shapes import Shapes
from phenoloop.local_aws.sagemaker.store import Kind, Store
from tests.contract.sagemaker_pipelines import (
    Json,
    create,
    definition,
    get,
    job_of,
    join,
    processing_step,
    status,
    steps,
    training_step,
)
from tests.contract.sagemaker_server import BUCKET, SageMakerServer, client, wait_until
from tests.contract.sagemaker_steps import refusal

pytest_plugins = ("tests.contract.sagemaker_fixtures",)
ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/e"


def cached(step: Json, expire_after: str = "P30D") -> Json:
    return {**step, "CacheConfig": {"Enabled": True, "ExpireAfter": expire_after}}


def runs(server: SageMakerServer, text: str, *given: dict[str, str]) -> list[str]:
    """ARNs of executions of one pipeline, one after the other."""
    name, arns = create(server.control, text), []
    for values in given:
        parameters = [{"Name": n, "Value": v} for n, v in values.items()]
        arn = server.control.start_pipeline_execution(PipelineName=name, PipelineParameters=parameters)
        arns.append(str(arn["PipelineExecutionArn"]))
        wait_until(lambda: status(server, arns[-1]) not in {"Executing", "Stopping"}, timeout_s=20)
    return arns


def test_a_step_made_from_the_same_is_not_run_again_wherever_its_output_goes(sagemaker_server: SageMakerServer) -> None:
    server, step = sagemaker_server, processing_step("Look", words=["--side-px", join(get("Parameters.Side"))])
    (output,) = step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    output["S3Output"]["S3Uri"] = join(f"s3://{BUCKET}/runs", get("Execution.PipelineExecutionId"), on="/")
    source = get("Steps.Look.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri")
    after = cached(training_step("Learn", channels={"train": source}))
    text = definition(cached(step), after, Side=64)
    first, same, other = runs(server, text, {}, {}, {"Side": "128"})
    assert [steps(server, same)[name]["CacheHitResult"] for name in ("Look", "Learn")] == [
        {"SourcePipelineExecutionArn": first}
    ] * 2
    assert job_of(steps(server, same)["Learn"]) == job_of(steps(server, first)["Learn"])
    assert all("CacheHitResult" not in step for step in steps(server, other).values())


def test_the_checkpoints_place_is_part_of_what_a_training_is_made_from(sagemaker_server: SageMakerServer) -> None:
    step = training_step("Learn")
    step["Arguments"]["CheckpointConfig"] = {"S3Uri": join(f"s3://{BUCKET}", get("Parameters.Place"), on="/")}
    _, same, other = runs(sagemaker_server, definition(cached(step), Place="a"), {}, {}, {"Place": "b"})
    assert "CacheHitResult" in steps(sagemaker_server, same)["Learn"]
    assert "CacheHitResult" not in steps(sagemaker_server, other)["Learn"]


def test_a_step_that_failed_or_is_not_to_be_cached_is_run_again(sagemaker_server: SageMakerServer) -> None:
    text = definition(cached(processing_step("Fails", FAIL="no")))
    _, again = runs(sagemaker_server, text, {}, {})
    assert "CacheHitResult" not in steps(sagemaker_server, again)["Fails"]
    _, again = runs(sagemaker_server, definition(processing_step("Plain")), {}, {})
    assert "CacheHitResult" not in steps(sagemaker_server, again)["Plain"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("P30D", 2_592_000), ("30d", 2_592_000), ("PT1H", 3600), ("T16m", 960), ("30dT5h", 2_610_000), ("1y", 31_536_000)],
)
def test_how_long_a_result_lives_is_read_as_aws_writes_it(text: str, seconds: int) -> None:
    assert CacheConfig(Enabled=True, ExpireAfter=text).expire_after_s == seconds


@pytest.mark.parametrize(
    "members",
    [
        {"CacheConfig": {"Enabled": True, "ExpireAfter": "soon"}},
        {"RetryPolicies": [{"ExceptionType": ["Step.BAD_LUCK"]}]},
        {"RetryPolicies": [{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 21}]},
    ],
)
def test_a_policy_that_sagemaker_does_not_know_is_refused(sagemaker_server: SageMakerServer, members: Json) -> None:
    text = definition({**processing_step("Look"), **members})
    assert refusal(create, sagemaker=sagemaker_server.control, text=text)[0] == "ValidationException"


class Jobs:
    """Processing jobs that end at once, each as the next word says."""

    def __init__(self, *words: str) -> None:
        self._words, self.made = iter(words), 0
        self._failed: dict[str, str] = {}

    def create(self, call: Any) -> Json:
        self.made += 1
        if (word := next(self._words)) == "refused":
            raise InternalFailure("the service is down")
        self._failed[call["ProcessingJobName"]] = word
        return {"ProcessingJobArn": f"arn:aws:sagemaker:us-east-1:000000000000:processing-job/{self.made}"}

    def describe(self, call: Any) -> Json:
        reason = self._failed[call["ProcessingJobName"]]
        return {"ProcessingJobStatus": "Failed" if reason else "Completed", "FailureReason": reason}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    return Store(tmp_path / "state.sqlite")


def ended(store: Store, jobs: Jobs, *faults: str, attempts: int = 2) -> Execution:
    policy = {"ExceptionType": list(faults), "IntervalSeconds": 1, "BackoffRate": 0.1, "MaxAttempts": attempts}
    execution = Execution(
        pipeline="p",
        status=ExecutionStatus.EXECUTING,
        definition=definition({**processing_step("Look"), "RetryPolicies": [policy]}),
        parameters={},
        token="t",
        described={},
        max_parallel_steps=50,
    )
    resource = store.add(Kind.PIPELINE_EXECUTION, "p/execution/e", ARN, execution.model_dump(mode="json"))
    operations = {"CreateProcessingJob": jobs.create, "DescribeProcessingJob": jobs.describe}
    Executor(store, Steps(operations, Shapes()), S3Files(client("s3", "http://127.0.0.1:9")), lambda *_: None).begin(
        resource
    )
    wait_until(lambda: Execution.of(store.all(Kind.PIPELINE_EXECUTION)[0]).status.is_final)
    return Execution.of(store.all(Kind.PIPELINE_EXECUTION)[0])


def test_a_step_is_tried_again_after_a_fault_that_its_policy_names(store: Store) -> None:
    jobs = Jobs("refused", "InternalServerError: disk lost", "")
    execution = ended(store, jobs, "Step.SERVICE_FAULT", "SageMaker.JOB_INTERNAL_ERROR")
    assert (execution.status, execution.steps["Look"].attempts, jobs.made) == (ExecutionStatus.SUCCEEDED, 3, 3)


@pytest.mark.parametrize("reason", ["AlgorithmError: no photos, exit code: 1", "CapacityError: none left"])
def test_other_faults_are_final(store: Store, reason: str) -> None:
    execution = ended(store, Jobs(reason), "SageMaker.JOB_INTERNAL_ERROR")
    assert (execution.status, execution.steps["Look"].attempts) == (ExecutionStatus.FAILED, 1)


def test_attempts_are_counted(store: Store) -> None:
    execution = ended(store, Jobs("refused", "refused"), "Step.SERVICE_FAULT", attempts=1)
    assert (execution.status, execution.steps["Look"].attempts) == (ExecutionStatus.FAILED, 2)
    assert "the service is down" in json.dumps(execution.steps["Look"].failure_reason)
