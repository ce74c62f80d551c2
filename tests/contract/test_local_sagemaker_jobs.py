"""Processing and training jobs of the local SageMaker: real processes and SageMaker's file contract."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.sagemaker_jobs import (
    model,
    process,
    processed,
    processing,
    put,
    read,
    report,
    train,
    trained,
    training,
    unpacked,
)
from tests.contract.sagemaker_server import BUCKET, SageMakerServer, is_running, unique, wait_until
from tests.contract.sagemaker_steps import refusal

pytest_plugins = ("tests.contract.sagemaker_fixtures",)

ONE_INSTANCE = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}


@pytest.fixture
def server(sagemaker_server: SageMakerServer) -> SageMakerServer:
    return sagemaker_server


def test_a_processing_job_finds_its_inputs_and_its_outputs_are_uploaded(server: SageMakerServer) -> None:
    source = put(server, a_txt="a", deep__b_txt="b")
    name = process(server, processing(inputs={"photos": source}, GREETING="hi"))
    assert processed(server, name)["ProcessingJobStatus"] == "Completed", processed(server, name)
    seen = report(server, name)
    assert seen["arguments"] == ["--side-px", "64"]
    assert seen["environment"]["GREETING"] == "hi"
    assert "SECRET_OF_THE_HOST" not in seen["environment"]
    assert (
        seen["files"].items()
        >= {
            "processing/input/photos/a.txt": "a",
            "processing/input/photos/deep/b.txt": "b",
        }.items()
    )
    config = json.loads(seen["files"]["config/processingjobconfig.json"])
    assert (config["ProcessingJobName"], config["Environment"]) == (name, {"GREETING": "hi"})
    assert json.loads(seen["files"]["config/resourceconfig.json"])["current_host"] == "algo-1"


def test_a_prefix_that_names_an_object_gives_that_one_file(server: SageMakerServer) -> None:
    source = put(server, model_tar="one", model_tar_old="two", model_tar2__x="three")
    seen = report(server, process(server, processing(inputs={"model": f"{source}/model.tar"})))
    assert [f for f in seen["files"] if f.startswith("processing")] == ["processing/input/model/model.tar"]


def test_a_prefix_without_objects_fails_the_job(server: SageMakerServer) -> None:
    described = processed(server, process(server, processing(inputs={"photos": f"s3://{BUCKET}/nothing-here"})))
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: Data download failed: No S3 objects found")


def test_words_that_name_files_of_the_container_are_found(server: SageMakerServer) -> None:
    request = processing(inputs={"code": put(server, run_py="print()")}, words=["/opt/ml/processing/input/code/run.py"])
    (word,) = report(server, process(server, request))["arguments"]
    assert word.endswith("processing/input/code/run.py")
    assert not word.startswith("/opt/ml")


def test_a_training_job_finds_its_channels_and_its_model_is_packed(server: SageMakerServer) -> None:
    source = put(server, train__a_txt="a", live_tar_gz="archive")
    channels = {"train": f"{source}/train/", "live": f"{source}/live.tar.gz"}
    name = train(server, training(channels=channels, OUTPUT_DATA="curves"))
    described = trained(server, name)
    assert described["TrainingJobStatus"] == "Completed", described
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/artifacts/{name}/output/model.tar.gz"
    seen = json.loads(model(server, name)["seen.json"])
    assert seen["arguments"] == ["train"]
    assert seen["environment"]["TRAINING_JOB_NAME"] == name
    assert json.loads(seen["files"]["input/config/hyperparameters.json"]) == {"stage": "detector", "epochs": "2"}
    assert set(json.loads(seen["files"]["input/config/inputdataconfig.json"])) == {"train", "live"}
    assert seen["files"]["input/data/train/a.txt"] == "a"
    assert seen["files"]["input/data/live/live.tar.gz"] == "archive"
    data = unpacked(read(server, f"s3://{BUCKET}/artifacts/{name}/output/output.tar.gz"))
    assert data == {"data.txt": "curves"}


def test_a_training_job_passes_through_its_phases(server: SageMakerServer) -> None:
    name = train(server, training(SLEEP_S="0.3"), wait=False)
    assert trained(server, name)["TrainingJobStatus"] == "InProgress"
    wait_until(lambda: trained(server, name)["SecondaryStatus"] == "Training")
    wait_until(lambda: trained(server, name)["TrainingJobStatus"] == "Completed")
    described = trained(server, name)
    phases = [transition["Status"] for transition in described["SecondaryStatusTransitions"]]
    assert phases == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert described["CreationTime"] <= described["TrainingStartTime"] <= described["TrainingEndTime"]


def test_a_training_jobs_failure_text_is_its_failure_reason(server: SageMakerServer) -> None:
    described = trained(server, train(server, training(FAIL="no photos\nat all")))
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Failed", "Failed")
    assert described["FailureReason"].startswith("AlgorithmError: no photos\nat all, exit code: 3")


def test_a_job_that_the_system_killed_says_so(server: SageMakerServer) -> None:
    described = trained(server, train(server, training(KILLED="1")))
    assert described["FailureReason"].startswith("AlgorithmError: , exit code: 137. See ")


def test_a_processing_jobs_message_is_its_exit_message(server: SageMakerServer) -> None:
    name = process(server, processing(FAIL="no snapshot"))
    described = processed(server, name)
    assert (described["ProcessingJobStatus"], described["ExitMessage"]) == ("Failed", "no snapshot")
    assert "exit code: 3" in described["FailureReason"]
    with pytest.raises(ClientError):
        report(server, name)


def test_a_job_that_takes_too_long_is_stopped_and_keeps_its_model(server: SageMakerServer) -> None:
    name = train(server, training(limit_s=1, SLEEP_S="60"))
    described = trained(server, name)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "seen.json" in model(server, name)


def test_a_job_that_ignores_being_stopped_is_killed(server: SageMakerServer, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    name = process(server, processing(SLEEP_S="60", STUBBORN="1", NOTES=str(notes)), wait=False)
    wait_until(notes.exists)
    server.control.stop_processing_job(ProcessingJobName=name)
    assert processed(server, name)["ProcessingJobStatus"] == "Stopping"
    wait_until(lambda: processed(server, name)["ProcessingJobStatus"] == "Stopped")
    assert not is_running(int(notes.read_text().split()[1]))


def test_a_stopped_training_job_keeps_its_model(server: SageMakerServer) -> None:
    name = train(server, training(SLEEP_S="60"), wait=False)
    wait_until(lambda: trained(server, name)["SecondaryStatus"] == "Training")
    wait_until(lambda: "job speaking" in (server.data_dir / "logs" / f"{name}.log").read_text())
    server.control.stop_training_job(TrainingJobName=name)
    wait_until(lambda: trained(server, name)["TrainingJobStatus"] == "Stopped")
    assert "seen.json" in model(server, name)


def test_a_job_that_has_ended_is_not_stopped(server: SageMakerServer) -> None:
    name = train(server, training())
    code, message = refusal(server.control.stop_training_job, TrainingJobName=name)
    assert (code, "is in status Completed" in message) == ("ValidationException", True)


def test_a_job_leaves_no_process_and_no_folder(server: SageMakerServer) -> None:
    name = train(server, training(OFFSPRING="1"))
    wait_until(lambda: not is_running(int(model(server, name)["child.txt"])))
    wait_until(lambda: not (server.data_dir / "jobs" / "training-job" / name).exists())


def test_jobs_yield_to_endpoints_and_share_the_cores(server: SageMakerServer) -> None:
    seen = json.loads(model(server, train(server, training()))["seen.json"])
    assert seen["nice"] >= 10
    assert 1 <= int(seen["environment"]["OMP_NUM_THREADS"]) <= len(os.sched_getaffinity(0))


def test_the_name_of_a_job_is_taken_once(server: SageMakerServer) -> None:
    name = train(server, training())
    assert refusal(server.control.create_training_job, TrainingJobName=name, **training())[0] == "ResourceInUse"


def test_jobs_are_listed_by_status(server: SageMakerServer) -> None:
    prefix = unique("listed")
    for name, why in ((f"{prefix}-good", {}), (f"{prefix}-bad", {"FAIL": "no"})):
        server.control.create_processing_job(ProcessingJobName=name, **processing(**why))
        wait_until(lambda name=name: processed(server, name)["ProcessingJobStatus"] in {"Completed", "Failed"})
    failed = server.control.list_processing_jobs(NameContains=prefix, StatusEquals="Failed")
    assert [job["ProcessingJobName"] for job in failed["ProcessingJobSummaries"]] == [f"{prefix}-bad"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"AppSpecification": {"ImageUri": "unheard-of:1"}}, "no container 'unheard-of'"),
        ({"ProcessingInputs": [{"InputName": "x"}]}, "no S3Input"),
        (
            {
                "ProcessingResources": {
                    "ClusterConfig": {"InstanceCount": 50, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
                }
            },
            "1 to 16 instances",
        ),
    ],
)
def test_processing_that_is_not_emulated_is_refused(server: SageMakerServer, change: Any, fault: str) -> None:
    request = processing() | change
    code, message = refusal(server.control.create_processing_job, ProcessingJobName=unique("refused"), **request)
    assert (code, fault in message) == ("ValidationException", True), message


def test_an_output_outside_of_the_containers_folder_is_refused(server: SageMakerServer) -> None:
    request = processing()
    request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["LocalPath"] = "/opt/ml/../../etc"
    code, message = refusal(server.control.create_processing_job, ProcessingJobName=unique("refused"), **request)
    assert (code, "LocalPath must be under /opt/ml" in message) == ("ValidationException", True)
