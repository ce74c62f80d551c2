"""Jobs of several instances, of spot instances, and what is kept of a training while it runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.contract.sagemaker_jobs import (
    keys,
    model,
    process,
    processed,
    processing,
    put,
    read,
    spot,
    train,
    trained,
    training,
)
from tests.contract.sagemaker_server import BUCKET, SageMakerServer, unique, wait_until
from tests.contract.sagemaker_steps import refusal

pytest_plugins = ("tests.contract.sagemaker_fixtures",)


@pytest.fixture
def server(sagemaker_server: SageMakerServer) -> SageMakerServer:
    return sagemaker_server


def seen_by(server: SageMakerServer, url: str, hosts: int) -> list[dict[str, Any]]:
    return [json.loads(read(server, f"{url}/seen-algo-{number + 1}.json")) for number in range(hosts)]


def test_sharded_inputs_are_dealt_out_and_outputs_come_together(server: SageMakerServer) -> None:
    parts = put(server, **{f"part{n}_jsonl": str(n) for n in range(5)})
    to, labels = f"s3://{BUCKET}/{unique('report')}", put(server, labels_json="{}")
    request = processing(inputs={"plan": parts, "labels": labels}, to=to, instances=2, sharded=["plan"])
    name = process(server, request)
    assert processed(server, name)["ProcessingJobStatus"] == "Completed", processed(server, name)
    first, second = (look["files"] for look in seen_by(server, to, 2))
    plan = "processing/input/plan/"
    assert [f.removeprefix(plan) for f in first if f.startswith(plan)] == ["part0.jsonl", "part2.jsonl", "part4.jsonl"]
    assert [f.removeprefix(plan) for f in second if f.startswith(plan)] == ["part1.jsonl", "part3.jsonl"]
    assert "processing/input/labels/labels.json" in first.keys() & second.keys()
    config = json.loads(second["config/resourceconfig.json"])
    assert (config["current_host"], config["hosts"]) == ("algo-2", ["algo-1", "algo-2"])


def test_an_instance_may_have_no_part(server: SageMakerServer) -> None:
    to = f"s3://{BUCKET}/{unique('report')}"
    request = processing(inputs={"plan": put(server, a_jsonl="a")}, to=to, instances=2, sharded=["plan"])
    process(server, request)
    assert [f for f in seen_by(server, to, 2)[1]["files"] if f.startswith("processing/input")] == []


def test_one_instance_that_fails_fails_the_job_and_ends_the_others(server: SageMakerServer) -> None:
    request = processing(instances=2, FAIL="no disk", FAILING_HOST="algo-2", SLEEP_S="0.3", GO="")
    described = processed(server, process(server, request))
    assert (described["ProcessingJobStatus"], described["ExitMessage"]) == ("Failed", "no disk")
    assert described["FailureReason"].endswith("-algo-2.log")


def test_trainers_know_each_other_and_leave_one_model(server: SageMakerServer) -> None:
    files = model(server, train(server, training(instances=2)))
    first, second = (json.loads(files[f"seen-algo-{n}.json"]) for n in (1, 2))
    config = json.loads(second["files"]["input/config/resourceconfig.json"])
    assert (config["current_host"], config["hosts"]) == ("algo-2", ["algo-1", "algo-2"])
    assert config["network_interface_name"] == "lo"
    meeting = [(seen["environment"]["MASTER_ADDR"], seen["environment"]["MASTER_PORT"]) for seen in (first, second)]
    assert meeting[0] == meeting[1]


def test_a_training_on_one_instance_is_told_of_no_meeting_place(server: SageMakerServer) -> None:
    seen = json.loads(model(server, train(server, training()))["seen.json"])
    assert "MASTER_ADDR" not in seen["environment"]


def test_an_interrupted_spot_training_begins_again_with_its_checkpoints(
    server: SageMakerServer, tmp_path: Path
) -> None:
    place, notes, go = f"s3://{BUCKET}/{unique('checkpoints')}", tmp_path / "notes", tmp_path / "go"
    env = {"CHECKPOINT": "line", "NOTES": str(notes), "SLEEP_S": "60", "GO": str(go)}
    name = train(server, training(**env) | spot(place), wait=False)
    wait_until(lambda: notes.exists() and keys(server, place) == ["lines.txt"])
    assert requests.post(f"{server.url}/training-jobs/{name}/interruption", timeout=5).status_code == 202
    wait_until(lambda: len(notes.read_text().splitlines()) == 2)
    go.touch()
    wait_until(lambda: trained(server, name)["TrainingJobStatus"] == "Completed")
    assert read(server, f"{place}/lines.txt").decode() == "line\nline\n"
    phases = [transition["Status"] for transition in trained(server, name)["SecondaryStatusTransitions"]]
    assert phases[2:6] == ["Training", "Interrupted", "Starting", "Downloading"]
    assert trained(server, name)["BillableTimeInSeconds"] >= 1


def test_another_job_of_the_same_place_finds_the_checkpoints(server: SageMakerServer) -> None:
    place = f"s3://{BUCKET}/{unique('checkpoints')}"
    for _ in range(2):
        train(server, training(CHECKPOINT="line") | spot(place))
    assert read(server, f"{place}/lines.txt").decode() == "line\nline\n"


def test_a_failed_training_leaves_its_checkpoints(server: SageMakerServer) -> None:
    place = f"s3://{BUCKET}/{unique('checkpoints')}"
    described = trained(server, train(server, training(CHECKPOINT="line", FAIL="no memory") | spot(place)))
    assert described["TrainingJobStatus"] == "Failed"
    assert keys(server, place) == ["lines.txt"]


def test_a_training_that_is_not_on_spot_instances_is_not_interrupted(server: SageMakerServer) -> None:
    name = train(server, training(SLEEP_S="60"), wait=False)
    assert requests.post(f"{server.url}/training-jobs/{name}/interruption", timeout=5).status_code == 404
    server.control.stop_training_job(TrainingJobName=name)


def test_waiting_longer_than_allowed_stops_a_spot_training(server: SageMakerServer) -> None:
    place = f"s3://{BUCKET}/{unique('checkpoints')}"
    described = trained(server, train(server, training(SLEEP_S="60") | spot(place, limit_s=1, wait_s=1)))
    assert described["TrainingJobStatus"] == "Stopped"
    assert described["SecondaryStatus"] in {"MaxRuntimeExceeded", "MaxWaitTimeExceeded"}


def test_events_for_tensorboard_lie_under_the_jobs_name(server: SageMakerServer) -> None:
    place = f"s3://{BUCKET}/{unique('tensorboard')}"
    name = train(server, training(EVENTS="curve") | {"TensorBoardOutputConfig": {"S3OutputPath": place}})
    assert read(server, f"{place}/{name}/tensorboard-output/events") == b"curve"


def test_metrics_are_what_the_log_says_last(server: SageMakerServer) -> None:
    request = training(SAYS='{"step": 1, "validation": 0.25}\n{"step": 2, "validation": 0.5}\n{"validation": null}')
    metrics = [{"Name": "validation:quality", "Regex": '"validation": ([0-9.]+)'}]
    request["AlgorithmSpecification"]["MetricDefinitions"] = metrics
    (found,) = trained(server, train(server, request))["FinalMetricDataList"]
    assert (found["MetricName"], found["Value"]) == ("validation:quality", 0.5)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds is required"),
        (spot("s3://b/k", limit_s=60, wait_s=59), "equal to or greater than MaxRuntimeInSeconds"),
        (spot("s3://b/k") | {"EnableManagedSpotTraining": False}, "needs EnableManagedSpotTraining"),
        ({"CheckpointConfig": {"S3Uri": "s3://b/k", "LocalPath": "/tmp"}}, "LocalPath must be under /opt/ml"),
    ],
)
def test_training_that_makes_no_sense_is_refused(server: SageMakerServer, change: Any, fault: str) -> None:
    request = training() | change
    code, message = refusal(server.control.create_training_job, TrainingJobName=unique("refused"), **request)
    assert (code, fault in message) == ("ValidationException", True), message
