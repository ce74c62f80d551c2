"""Pipelines of the local SageMaker: real definitions, carried out."""

import json
from pathlib import Path
from typing import Any

import pytest

from phenoloop.local_aws.sagemaker.pipelines.executor import Executor
from phenoloop.local_aws.sagemaker.pipelines.records import Execution, ExecutionStatus, StepRecord, StepStatus
from phenoloop.local_aws.sagemaker.pipelines.steps import Steps
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.shapes import Shapes
from phenoloop.local_aws.sagemaker.store import Kind, Store
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.pipeline import definition as real
from sync.pipeline.parameters import GIVEN
from tests.contract.sagemaker_jobs import model, put, report
from tests.contract.sagemaker_pipelines import (
    compare,
    condition_step,
    create,
    definition,
    described,
    execute,
    fail_step,
    get,
    job_of,
    join,
    json_get,
    processing_step,
    register_step,
    start,
    status,
    steps,
    training_step,
)
from tests.contract.sagemaker_server import BUCKET, ROLE, SageMakerServer, client, unique, wait_until
from tests.contract.sagemaker_steps import make_group, refusal

pytest_plugins = ("tests.contract.sagemaker_fixtures",)
ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/e"
GOOD_ENOUGH = compare("GreaterThanOrEqualTo", json_get("Evaluate", "gain.low"), get("Parameters.MinimumGain"))


@pytest.fixture
def server(sagemaker_server: SageMakerServer) -> SageMakerServer:
    return sagemaker_server


def retraining(source: str, gain: float) -> str:
    """As the real one: preprocess, train both, evaluate, condition, register."""
    channels = {"train": get("Steps.Preprocess.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri")}
    archive = get("Steps.TrainDetector.ModelArtifacts.S3ModelArtifacts")
    evaluate = processing_step(
        "Evaluate",
        inputs={"detector": archive, "segmenter": get("Steps.TrainSegmenter.ModelArtifacts.S3ModelArtifacts")},
        REPORT=json.dumps({"gain": {"low": gain}}),
    )
    register = register_step(
        "Register",
        get("Parameters.Group"),
        archive,
        ModelApprovalStatus="PendingManualApproval",
        CustomerMetadataProperties={
            "manifest": join(get("Steps.Evaluate.ProcessingOutputConfig.Outputs[0].S3Output.S3Uri"), "m.json", on="/"),
            "run": get("Execution.PipelineExecutionId"),
        },
    )
    return definition(
        processing_step("Preprocess", inputs={"snapshot": source}),
        training_step("TrainDetector", channels=channels),
        training_step("TrainSegmenter", channels=channels),
        evaluate,
        condition_step("IsBetter", GOOD_ENOUGH, then=[register], otherwise=[fail_step("TooBad", "no gain")]),
        Group=str,
        MinimumGain=0.0,
    )


def test_a_pipeline_runs_from_the_data_to_a_registered_package(server: SageMakerServer) -> None:
    group = make_group(server.control)
    arn = execute(server, retraining(put(server, s_json="{}"), gain=0.02), Group=group)
    assert described(server, arn)["PipelineExecutionStatus"] == "Succeeded", described(server, arn)
    done = steps(server, arn)
    assert list(done) == ["Preprocess", "TrainDetector", "TrainSegmenter", "Evaluate", "IsBetter", "Register"]
    assert {step["StepStatus"] for step in done.values()} == {"Succeeded"}
    assert done["IsBetter"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    execution_id = arn.rpartition("/")[2]
    detector = job_of(done["TrainDetector"])
    assert detector.startswith(f"pipelines-{execution_id}-traindetector-")
    assert "input/data/train/seen.json" in json.loads(model(server, detector)["seen.json"])["files"]
    package = server.control.describe_model_package(
        ModelPackageName=done["Register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    first, _ = package["InferenceSpecification"]["Containers"]
    assert first["ModelDataUrl"].lower().endswith(f"{detector}/output/model.tar.gz")
    assert package["CustomerMetadataProperties"]["run"] == execution_id
    assert package["CustomerMetadataProperties"]["manifest"].endswith("/m.json")
    assert package["MetadataProperties"] == {"GeneratedBy": arn}


def test_a_fail_step_fails_the_execution_with_its_message(server: SageMakerServer) -> None:
    group = make_group(server.control)
    arn = execute(server, retraining(put(server, s_json="{}"), gain=-0.1), Group=group)
    done = steps(server, arn)
    assert done["IsBetter"]["Metadata"] == {"Condition": {"Outcome": "False"}}
    assert done["TooBad"]["Metadata"] == {"Fail": {"ErrorMessage": "no gain"}}
    assert "Register" not in done
    assert described(server, arn)["PipelineExecutionStatus"] == "Failed"
    assert "[TooBad]" in described(server, arn)["FailureReason"]


def test_independent_steps_run_side_by_side(server: SageMakerServer, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    env = {"NOTES": str(notes), "GO": str(go), "SLEEP_S": "30"}
    arn = start(server, definition(training_step("A", **env), training_step("B", **env)))
    wait_until(lambda: notes.exists() and len(notes.read_text().splitlines()) == 2)
    go.touch()
    wait_until(lambda: status(server, arn) == "Succeeded")


def test_no_more_steps_run_side_by_side_than_the_pipeline_allows(server: SageMakerServer) -> None:
    text, name = definition(training_step("A"), training_step("B")), unique("pipeline")
    narrow = {"MaxParallelExecutionSteps": 1}
    server.control.create_pipeline(
        PipelineName=name, PipelineDefinition=text, RoleArn=ROLE, ParallelismConfiguration=narrow
    )
    arn = server.control.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    wait_until(lambda: status(server, arn) == "Succeeded")
    first, second = steps(server, arn).values()
    assert first["EndTime"] <= second["StartTime"]


def test_a_failed_step_fails_the_execution_and_stops_the_others(server: SageMakerServer) -> None:
    arn = execute(
        server,
        definition(
            processing_step("Slow", SLEEP_S="60"),
            processing_step("Broken", FAIL="no snapshot"),
            processing_step("Later", after=["Broken"]),
        ),
    )
    done = steps(server, arn)
    assert {name: step["StepStatus"] for name, step in done.items()} == {"Slow": "Stopped", "Broken": "Failed"}
    assert "no snapshot" in done["Broken"]["FailureReason"]
    execution = described(server, arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "[Broken]" in execution["FailureReason"]
    assert "no snapshot" in execution["FailureReason"]


def test_parameters_override_their_defaults(server: SageMakerServer) -> None:
    step = processing_step("Look", words=["--side-px", join(get("Parameters.Side")), get("Parameters.Name")])
    arn = execute(server, definition(step, Side=64, Name="x", Gain=0.5), Side="128", Gain="1")
    assert report(server, job_of(steps(server, arn)["Look"]))["arguments"] == ["--side-px", "128", "x"]
    listed = server.control.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    assert {p["Name"]: p["Value"] for p in listed} == {"Side": "128", "Name": "x", "Gain": "1.0"}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"Side": "64"}, "['Group'] must be specified"),
        ({"Group": "g", "Colour": "red"}, "Unknown parameter(s) ['Colour']"),
        ({"Group": "g", "Side": "wide"}, "[Side] must be of type Integer"),
    ],
)
def test_wrong_parameters_are_refused(server: SageMakerServer, given: dict[str, str], fault: str) -> None:
    name = create(server.control, definition(processing_step("Look"), Side=64, Group=str))
    values = [{"Name": n, "Value": v} for n, v in given.items()]
    code, message = refusal(server.control.start_pipeline_execution, PipelineName=name, PipelineParameters=values)
    assert (code, fault in message) == ("ValidationException", True), message


def test_the_same_token_starts_one_execution(server: SageMakerServer) -> None:
    name = create(server.control, definition(processing_step("Look")))
    arns = [
        server.control.start_pipeline_execution(PipelineName=name, ClientRequestToken=token * 32)[
            "PipelineExecutionArn"
        ]
        for token in "aab"
    ]
    assert arns[0] == arns[1] != arns[2]
    assert {e["PipelineExecutionArn"] for e in _executions(server, name)} == set(arns)


def test_arguments_are_checked_as_the_operations_own_and_the_step_is_named(server: SageMakerServer) -> None:
    step = training_step("Train")
    step["Arguments"]["HyperParameters"]["epochs"] = get("Parameters.Epochs")
    arn = execute(server, definition(step, Epochs="9" * 2501))
    assert described(server, arn)["PipelineExecutionStatus"] == "Failed"
    reason = steps(server, arn)["Train"]["FailureReason"]
    assert "Step Train: CreateTrainingJob was refused" in reason


def test_a_stopped_execution_stops_its_jobs(server: SageMakerServer) -> None:
    arn = start(server, definition(processing_step("Slow", SLEEP_S="60"), processing_step("Later", after=["Slow"])))
    wait_until(lambda: "Slow" in steps(server, arn))
    server.control.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert status(server, arn) in {"Stopping", "Stopped"}
    wait_until(lambda: status(server, arn) == "Stopped")
    assert {name: step["StepStatus"] for name, step in steps(server, arn).items()} == {"Slow": "Stopped"}
    assert refusal(server.control.stop_pipeline_execution, PipelineExecutionArn=arn)[0] == "ValidationException"


def test_an_execution_stopped_between_two_steps_starts_no_more(tmp_path: Path) -> None:
    done = StepRecord.started("First", "Processing").having(StepStatus.SUCCEEDED)
    execution = Execution(
        pipeline="p",
        status=ExecutionStatus.STOPPING,
        definition=definition(processing_step("First"), processing_step("Second", after=["First"])),
        parameters={},
        token="t",
        described={},
        max_parallel_steps=50,
    ).with_step(done)
    store, told = Store(tmp_path / "state.sqlite"), []
    resource = store.add(Kind.PIPELINE_EXECUTION, "p/execution/e", ARN, execution.model_dump(mode="json"))
    files = S3Files(client("s3", "http://127.0.0.1:9"))
    executor = Executor(store, Steps({}, Shapes()), files, lambda _, after, before: told.append((before, after.status)))
    executor.begin(resource)
    wait_until(lambda: told == [("Stopping", ExecutionStatus.STOPPED)])
    (ended,) = store.all(Kind.PIPELINE_EXECUTION)
    assert list(Execution.of(ended).steps) == ["First"]


def test_the_real_pipeline_is_accepted(server: SageMakerServer) -> None:
    training = TrainingSettings(
        role_arn=ROLE, training_image="phenoloop-training:1", serving_image="phenoloop-serving:1"
    )
    text = json.dumps(real.definition(StorageSettings(bucket="loop"), training))
    name = create(server.control, text)
    values = [{"Name": given, "Value": "s3://nowhere/x"} for given in GIVEN]
    begin = server.control.start_pipeline_execution
    arn = begin(PipelineName=name, PipelineParameters=values)["PipelineExecutionArn"]
    wait_until(lambda: status(server, arn) == "Failed")
    assert "no container 'phenoloop-training'" in described(server, arn)["FailureReason"]


def test_a_property_that_is_missing_fails_the_step(server: SageMakerServer) -> None:
    look = processing_step("Look", REPORT="{}")
    check = condition_step("Check", compare("GreaterThan", json_get("Look", "gain"), 0), then=[])
    arn = execute(server, definition(look, check))
    assert "nothing at 'gain'" in steps(server, arn)["Check"]["FailureReason"]


def test_an_execution_keeps_the_definition_that_it_began_with(server: SageMakerServer) -> None:
    text = definition(processing_step("Look"))
    name = create(server.control, text)
    arn = server.control.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    server.control.update_pipeline(PipelineName=name, PipelineDefinition=definition(processing_step("Other")))
    kept = server.control.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert kept["PipelineDefinition"] == text
    wait_until(lambda: status(server, arn) == "Succeeded")


def test_a_definition_may_lie_in_s3(server: SageMakerServer) -> None:
    text, name, key = definition(processing_step("One")), unique("pipeline"), unique("definition")
    server.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    location = {"Bucket": BUCKET, "ObjectKey": key}
    server.control.create_pipeline(PipelineName=name, PipelineDefinitionS3Location=location, RoleArn=ROLE)
    assert server.control.describe_pipeline(PipelineName=name)["PipelineDefinition"] == text


def test_a_pipeline_at_work_is_not_deleted(server: SageMakerServer) -> None:
    arn = start(server, definition(processing_step("Slow", SLEEP_S="60")))
    name = arn.split("/")[1]
    assert refusal(server.control.delete_pipeline, PipelineName=name)[0] == "ConflictException"
    server.control.stop_pipeline_execution(PipelineExecutionArn=arn)
    wait_until(lambda: status(server, arn) == "Stopped")
    server.control.delete_pipeline(PipelineName=name)
    assert refusal(server.control.describe_pipeline, PipelineName=name)[0] == "ResourceNotFound"
    assert refusal(server.control.describe_pipeline_execution, PipelineExecutionArn=arn)[0] == "ResourceNotFound"


def _executions(server: SageMakerServer, name: str) -> list[Any]:
    pages = server.control.get_paginator("list_pipeline_executions").paginate(PipelineName=name)
    return [execution for page in pages for execution in page["PipelineExecutionSummaries"]]
