"""One command, and the whole loop runs here; another, and nothing of it is left."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from phenoloop.demo.photos import upload_own_photos
from phenoloop.errors import BucketMissing
from tests.conftest import PHOTOS, RunningStack, eventually, free_ports, phenoloop

pytestmark = pytest.mark.integration


def test_the_status_says_where_everything_is(stack: RunningStack) -> None:
    status = stack.status()
    assert status["label_studio"].keys() == {"url", "user", "password", "token", "project_id", "label_config"}
    assert status["backend"].keys() == {"url", "user", "password"}
    assert status["s3"].keys() == {"endpoint", "bucket", "images_prefix", "annotations_prefix"}
    assert status["endpoints"].keys() == {"detector", "segmenter"}
    assert status["queue_url"].startswith("http")
    assert status["release"].startswith("phenoloop-")
    assert all(psutil.pid_exists(pid) for pid in status["processes"].values())


def test_every_photo_is_a_task_that_names_its_object(stack: RunningStack) -> None:
    project_id = stack.status()["label_studio"]["project_id"]
    images = [task.data["image"] for task in stack.label_studio().tasks(project_id)]
    assert len(images) == PHOTOS
    assert all(image.startswith("s3://phenoloop/images/") for image in images)


def test_the_ground_truth_of_generated_photos_never_reaches_the_bucket(stack: RunningStack) -> None:
    items = stack.client("s3").list_objects_v2(Bucket="phenoloop")["Contents"]
    assert [item["Key"] for item in items if "truth" in item["Key"]] == []


def test_both_endpoints_are_in_service_and_the_package_holds_both_containers(stack: RunningStack) -> None:
    sagemaker, status = stack.client("sagemaker"), stack.status()
    for endpoint in status["endpoints"].values():
        assert sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    (summary,) = sagemaker.list_model_packages(ModelPackageGroupName="phenoloop-chain", ModelApprovalStatus="Approved")[
        "ModelPackageSummaryList"
    ]
    package = sagemaker.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
    assert len(package["InferenceSpecification"]["Containers"]) == 2


def test_no_secret_is_in_a_log_or_on_any_command_line(stack: RunningStack) -> None:
    secrets = _secrets(stack)
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    logs = [log.read_text(errors="replace") for log in (stack.data_dir / "logs").glob("*.log")]
    assert [secret for secret in secrets for text in (*lines, *logs) if secret in text] == []


def test_no_file_with_a_secret_is_open_to_others(stack: RunningStack) -> None:
    secrets = [secret.encode() for secret in _secrets(stack)]
    files = [file for file in stack.data_dir.rglob("*") if file.is_file() and file.stat().st_size < 2**24]
    telling = [file for file in files if any(secret in file.read_bytes() for secret in secrets)]
    assert {file.name for file in telling} >= {"secrets.json", "status.json"}
    inside_a_private_folder = {stack.data_dir / "label-studio"}
    found = [file for file in telling if inside_a_private_folder.isdisjoint(file.parents)]
    assert [file for file in found if file.stat().st_mode & 0o077] == []
    assert stack.data_dir.stat().st_mode & 0o077 == 0


def test_the_status_for_people_shows_only_what_they_log_in_with(stack: RunningStack) -> None:
    shown = phenoloop("status", "--data-dir", str(stack.data_dir)).stdout
    status = stack.status()
    assert status["label_studio"]["token"] not in shown
    assert f"{status['console']['url']}, user {status['console']['user']}" in shown


def test_a_service_that_is_killed_comes_back_by_itself(stack: RunningStack) -> None:
    killed = stack.status()["processes"]["backend"]
    psutil.Process(killed).kill()
    eventually(lambda: stack.status()["processes"]["backend"] != killed)
    assert eventually(lambda: _answers(stack.status()["backend"]["url"] + "/health"))


def test_annotations_are_still_seen_after_the_embedded_services_were_killed(stack: RunningStack) -> None:
    status, label_studio = stack.status(), stack.label_studio()
    psutil.Process(status["processes"]["ministack"]).kill()
    eventually(lambda: stack.status()["processes"]["ministack"] != status["processes"]["ministack"])
    task, before = next(iter(label_studio.tasks(status["label_studio"]["project_id"]))), stack.changed_annotations()
    label_studio.create_annotation(task.id, [])
    assert eventually(lambda: stack.changed_annotations() > before)


def test_a_second_stack_on_the_same_folder_is_refused(stack: RunningStack) -> None:
    done = phenoloop("up", *stack.words)
    assert done.returncode == 1
    assert "already runs" in done.stderr


def test_a_taken_port_is_a_clear_error_and_nothing_is_started(tmp_path: Path) -> None:
    ports = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports["sagemaker"]))
        taken.listen()
        words = [word for name, port in ports.items() for word in ("--port", f"{name}={port}")]
        done = phenoloop("up", "--data-dir", str(tmp_path), *words)
    assert done.returncode == 1
    assert f"port={ports['sagemaker']}" in done.stderr
    assert "--port sagemaker=NUMBER" in done.stderr


def test_an_interrupted_start_leaves_no_process_behind(tmp_path: Path) -> None:
    words = [word for name, port in free_ports().items() for word in ("--port", f"{name}={port}")]
    command = [sys.executable, "-m", "phenoloop.cli", "up", "--data-dir", str(tmp_path), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
        children = eventually(lambda: psutil.Process(starting.pid).children(recursive=True))
        starting.send_signal(signal.SIGINT)
        starting.wait(60)
    eventually(lambda: not [child for child in children if _runs(child.pid)], within_s=10)


def test_a_start_under_way_is_visible_and_down_ends_it(tmp_path: Path) -> None:
    data_dir = tmp_path / ("a-long-name" * 10)  # no Unix socket fits in there
    words = [word for name, port in free_ports().items() for word in ("--port", f"{name}={port}")]
    command = [sys.executable, "-m", "phenoloop.cli", "up", "--detach", "--data-dir", str(data_dir), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
        eventually(lambda: (data_dir / "status.json").exists() and len(_processes(data_dir)) > 4)
        shown = json.loads(phenoloop("status", "--json", "--data-dir", str(data_dir)).stdout)
        assert (shown["ready"], _runs(shown["pid"])) == (False, True)
        done = phenoloop("down", "--data-dir", str(data_dir))
        assert (done.returncode, done.stdout.strip()) == (0, "Stopped."), done.stderr
        starting.wait(10)
    assert [pid for pid in shown["processes"].values() if _runs(pid)] == []


def test_the_queue_can_be_opened_by_its_owner_only(stack: RunningStack) -> None:
    assert (stack.data_dir / "redis.sock").stat().st_mode & 0o077 == 0
    assert stack.data_dir.stat().st_mode & 0o077 == 0
    redis = psutil.Process(stack.status()["processes"]["redis"])
    assert [c for c in redis.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []


def test_own_photos_are_files_of_any_known_kind(stack: RunningStack, tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    for name in ("a.tif", "b.TIFF", "c.bmp"):
        (tmp_path / name).write_bytes(b"photo")
    s3 = stack.client("s3")
    assert upload_own_photos(s3, "phenoloop", "own/", tmp_path) == 3
    assert s3.head_object(Bucket="phenoloop", Key="own/a.tif")["ContentType"] == "image/tiff"
    with pytest.raises(BucketMissing):
        upload_own_photos(s3, "not-there", "own/", tmp_path)


def test_a_killed_stack_leaves_no_process_behind_and_starts_again(stack: RunningStack) -> None:
    before = stack.status()
    psutil.Process(before["processes"]["supervisor"]).kill()
    eventually(lambda: not [pid for pid in before["processes"].values() if _runs(pid)])
    assert stack.status()["ready"] is False
    started = phenoloop("up", "--detach", *stack.words)
    assert started.returncode == 0, started.stderr
    assert stack.status()["release"] == before["release"]


def test_stopped_and_started_again_it_continues_with_the_same_data(stack: RunningStack) -> None:
    before = stack.status()
    assert phenoloop("down", "--data-dir", str(stack.data_dir)).returncode == 0
    assert [name for name, pid in before["processes"].items() if _runs(pid)] == []
    started = phenoloop("up", "--detach", *stack.words)
    assert started.returncode == 0, started.stderr
    after = stack.status()
    assert (after["release"], after["endpoints"]) == (before["release"], before["endpoints"])
    assert after["label_studio"] == before["label_studio"]
    assert len(list(stack.label_studio().tasks(after["label_studio"]["project_id"]))) == PHOTOS


def _secrets(stack: RunningStack) -> list[str]:
    status = stack.status()
    return [status["label_studio"]["password"], status["label_studio"]["token"], status["backend"]["password"]]


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _processes(data_dir: Path) -> dict[str, int]:
    return dict(json.loads((data_dir / "status.json").read_text())["processes"])


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_the_status_for_people_names_the_address_and_the_release(stack: RunningStack) -> None:
    shown = phenoloop("status", "--data-dir", str(stack.data_dir)).stdout
    status = json.loads(phenoloop("status", "--json", "--data-dir", str(stack.data_dir)).stdout)
    assert status["label_studio"]["url"] in shown
    assert status["release"] in shown
