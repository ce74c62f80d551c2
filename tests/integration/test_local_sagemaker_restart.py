"""The local SageMaker stopped and killed: what comes back, what must not stay."""

import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenoloop.local_aws.sagemaker.containers import Images, Launcher
from phenoloop.local_aws.sagemaker.jobs.records import Job, JobStatus
from phenoloop.local_aws.sagemaker.jobs.runner import MAX_RUNS, JobRunner
from phenoloop.local_aws.sagemaker.jobs.training import Training
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.store import Kind, Store
from tests.contract.sagemaker_jobs import keys, model, read, spot, train, trained, training
from tests.contract.sagemaker_pipelines import definition, get, job_of, processing_step, start, status, steps
from tests.contract.sagemaker_server import BUCKET, SageMakerServer, client, is_running, unique, wait_until
from tests.contract.sagemaker_steps import make_group, register

pytest_plugins = ("tests.contract.sagemaker_fixtures",)
pytestmark = pytest.mark.integration


def test_endpoints_come_back_after_a_restart(own_sagemaker_server: SageMakerServer) -> None:
    server = own_sagemaker_server
    kept, failed = server.deploy(GREETING="hi"), server.deploy(BEHAVIOUR="exit", wait=False)
    package = register(server.control, make_group(server.control))
    wait_until(lambda: server.status(failed) == "Failed")
    pid = server.invoke(kept)["pid"]
    server.stop()
    assert not is_running(pid)
    server.start()
    assert server.status(kept) in {"SystemUpdating", "InService"}
    server.wait_in_service(kept)
    assert server.invoke(kept)["environment"]["GREETING"] == "hi"
    assert server.status(failed) == "Failed"
    assert server.control.describe_model_package(ModelPackageName=package)["ModelPackageVersion"] == 1


def test_a_killed_server_leaves_no_container_and_finishes_what_it_began(own_sagemaker_server: SageMakerServer) -> None:
    server = own_sagemaker_server
    kept, updated = server.deploy(), server.deploy()
    server.configure(update := unique("update"), START_S="0.5", GREETING="new")
    server.control.update_endpoint(EndpointName=updated, EndpointConfigName=update)
    coming = server.deploy(START_S="0.5", wait=False)
    containers = server.container_pids()
    assert server.invoke(kept)["pid"] in containers
    server.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, containers)))
    server.start()
    for name in (kept, coming, updated):
        server.wait_in_service(name)
        assert server.invoke(name)["body"] == "hello"
    assert server.invoke(updated)["environment"]["GREETING"] == "new"


def test_a_job_whose_server_was_killed_is_run_again(own_sagemaker_server: SageMakerServer, tmp_path: Path) -> None:
    server, notes, go = own_sagemaker_server, tmp_path / "notes", tmp_path / "go"
    name = train(server, training(NOTES=str(notes), GO=str(go), SLEEP_S="60", STUBBORN="1"), wait=False)
    wait_until(notes.exists)
    server.stop(signal.SIGKILL)
    server.start()
    wait_until(lambda: len(notes.read_text().splitlines()) == 2)
    orphan, _ = (int(line.split()[1]) for line in notes.read_text().splitlines())
    assert not is_running(orphan)
    go.touch()
    wait_until(lambda: trained(server, name)["TrainingJobStatus"] == "Completed")
    assert "seen.json" in model(server, name)


def test_a_training_whose_server_was_killed_goes_on_from_its_checkpoints(
    own_sagemaker_server: SageMakerServer, tmp_path: Path
) -> None:
    server, place, go = own_sagemaker_server, f"s3://{BUCKET}/{unique('checkpoints')}", tmp_path / "go"
    name = train(server, training(CHECKPOINT="line", GO=str(go), SLEEP_S="60") | spot(place), wait=False)
    wait_until(lambda: keys(server, place) == ["lines.txt"])
    server.stop(signal.SIGKILL)
    go.touch()
    server.start()
    wait_until(lambda: trained(server, name)["TrainingJobStatus"] == "Completed")
    assert read(server, f"{place}/lines.txt").decode() == "line\nline\n"


def test_a_job_put_off_by_an_orderly_stop_is_run_again(own_sagemaker_server: SageMakerServer, tmp_path: Path) -> None:
    server, notes, go = own_sagemaker_server, tmp_path / "notes", tmp_path / "go"
    name = train(server, training(NOTES=str(notes), GO=str(go), SLEEP_S="60"), wait=False)
    wait_until(notes.exists)
    server.stop()
    assert not is_running(int(notes.read_text().split()[1]))
    go.touch()
    server.start()
    wait_until(lambda: trained(server, name)["TrainingJobStatus"] == "Completed")


@given(st.integers(0, 10))
def test_only_runs_that_ended_in_disorder_count(orderly: int) -> None:
    job = Job.created({})
    for _ in range(orderly):
        job = job.beginning().put_off()
    assert job.beginning().runs == 1


def test_a_job_that_takes_its_server_with_it_fails_in_the_end(tmp_path: Path) -> None:
    store, files = Store(tmp_path / "state.sqlite"), S3Files(client("s3", "http://127.0.0.1:9"))
    killed = Job.created({}).model_copy(update={"runs": MAX_RUNS})
    store.add(Kind.TRAINING_JOB, "heavy", "arn", killed.model_dump(mode="json"))
    launcher = Launcher(Images({}), {}, tmp_path)
    JobRunner(launcher, store, files, (Training(files),), tmp_path, stop_timeout_s=1, shutdown_timeout_s=1).resume()
    (resource,) = store.all(Kind.TRAINING_JOB)
    assert Job.of(resource).status == JobStatus.FAILED
    assert "killed 3 times" in Job.of(resource).failure_reason


def test_an_execution_goes_on_after_a_kill_and_runs_no_finished_step_again(
    own_sagemaker_server: SageMakerServer, tmp_path: Path
) -> None:
    server, notes, go = own_sagemaker_server, tmp_path / "notes", tmp_path / "go"
    env = {"NOTES": str(notes)}
    source = get("Steps.First.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri")
    arn = start(
        server,
        definition(
            processing_step("First", WHO="first", **env),
            processing_step("Second", inputs={"first": source}, WHO="second", GO=str(go), SLEEP_S="60", **env),
            processing_step("Third", after=["Second"], WHO="third", **env),
        ),
    )
    wait_until(lambda: notes.exists() and "second" in notes.read_text())
    begun = job_of(steps(server, arn)["Second"])
    server.stop(signal.SIGKILL)
    server.start()
    assert status(server, arn) == "Executing"
    go.touch()
    wait_until(lambda: status(server, arn) == "Succeeded")
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["first", "second", "second", "third"]
    assert job_of(steps(server, arn)["Second"]) == begun


def test_two_servers_do_not_share_a_folder(own_sagemaker_server: SageMakerServer) -> None:
    server = own_sagemaker_server
    assert server.spawn().wait(timeout=20) != 0
    assert "Another SageMaker server uses this data folder" in (server.data_dir / "server.log").read_text()
