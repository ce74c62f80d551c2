"""What the running stack tells of itself: one id from hop to hop, numbers, and honest health."""

import json
import time
from typing import Any

import pytest
import requests

from tests.conftest import RunningStack, eventually

pytestmark = pytest.mark.integration


def ask_backend(stack: RunningStack, path: str, body: dict[str, Any], request_id: str) -> requests.Response:
    backend = stack.status()["backend"]
    return requests.post(
        backend["url"] + path,
        json=body,
        auth=(backend["user"], backend["password"]),
        headers={"X-Request-ID": request_id},
        timeout=100,
    )


def told_under(stack: RunningStack, log: str, trace_id: str) -> list[str]:
    """The events of the lines of the logs of that name that bear the id."""
    files = [file for file in stack.data_dir.rglob("*.log") if file.name.startswith(log)]
    texts = [file.read_text(errors="replace").rpartition("\n")[0] for file in files]  # no line that is half there
    lines = [line for text in texts for line in text.splitlines() if trace_id in line]
    return [json.loads(line)["event"] for line in lines]


def test_one_id_leads_from_a_request_through_sagemaker_into_both_containers(stack: RunningStack) -> None:
    status, label_studio = stack.status(), stack.label_studio()
    task = next(iter(label_studio.tasks(status["label_studio"]["project_id"])))
    body = {"tasks": [{"id": task.id, "data": task.data}], "label_config": status["label_studio"]["label_config"]}

    answer = ask_backend(stack, "/predict", body, "one-request-through-all")

    assert answer.headers["X-Request-ID"] == "one-request-through-all"
    told = {log: told_under(stack, log, "one-request-through-all") for log in ("backend", "sagemaker")}
    assert {"photo run through the chain", "request answered"} <= set(told["backend"])
    assert "endpoint invoked" in told["sagemaker"]
    for endpoint in status["endpoints"].values():
        told_there = eventually(lambda name=endpoint: told_under(stack, name, "one-request-through-all"))  # type: ignore[misc]
        assert set(told_there) == {"invocation"}


def test_the_id_goes_with_a_job_into_the_worker(stack: RunningStack) -> None:
    status, label_studio = stack.status(), stack.label_studio()
    project_id = status["label_studio"]["project_id"]
    task = next(iter(label_studio.tasks(project_id)))
    told = {"action": "TASKS_CREATED", "project": {"id": project_id}, "tasks": [{"id": task.id}]}

    ask_backend(stack, "/webhook", told, "one-webhook-into-the-worker")

    done = eventually(lambda: told_under(stack, "worker-1", "one-webhook-into-the-worker"))
    assert set(done) <= {"tasks pre-labelled", "job done", "photo run through the chain"}


def test_an_annotations_event_leads_to_the_look_that_counts_it(stack: RunningStack) -> None:
    label_studio = stack.label_studio()
    task = next(iter(label_studio.tasks(stack.status()["label_studio"]["project_id"])))
    annotation_id = label_studio.create_annotation(task.id, [])

    heard = eventually(lambda: stack.heard("annotation changed", annotation=annotation_id))
    woken = eventually(lambda: stack.heard("look woken", trace_id=heard["trace_id"]))
    looked = eventually(lambda: stack.heard("annotations looked at", trace_id=woken["look"]))
    assert looked["changed"] >= 1


@pytest.mark.parametrize("name", ["backend", "worker-1", "sync"])
def test_each_of_our_processes_is_up_and_ready_and_says_so_at_once(stack: RunningStack, name: str) -> None:
    url = stack.status()["monitoring"][name]
    started_s = time.monotonic()
    assert requests.get(url + "/health", timeout=1).json()["status"] == "UP"
    assert time.monotonic() - started_s < 0.5
    ready = eventually(lambda: requests.get(url + "/ready", timeout=1), within_s=150)
    assert ready.json() == {"ready": True, "problems": []}


def test_workers_and_sync_tell_their_numbers(stack: RunningStack) -> None:
    monitoring = stack.status()["monitoring"]
    worker, sync = (requests.get(monitoring[name] + "/metrics", timeout=5).text for name in ("worker-1", "sync"))
    assert f'phenoloop_release_info{{release="{stack.status()["release"]}"}} 1.0' in worker
    for number in ('phenoloop_jobs{state="failed"}', "phenoloop_job_seconds_count", 'stage="segmenter"'):
        assert number in worker
    for number in ('phenoloop_last_good_look_timestamp_seconds{concern="release"}', "phenoloop_events_queued"):
        assert number in sync
