"""From saved annotations through SageMaker's pipeline to a chain that waits for a person, with nothing done by hand."""

import json
from typing import Any

import pytest

from sync.split import split_of
from tests.conftest import RunningStack, eventually, phenoloop

pytestmark = pytest.mark.integration

RUN_S = 400.0


def _annotate(stack: RunningStack, photos: int) -> None:
    """Accept what the live chain proposes, on this many photos."""
    label_studio, project_id = stack.label_studio(), stack.status()["label_studio"]["project_id"]
    open_tasks = label_studio.tasks(project_id, only_open=True)
    learnt = [task for task in open_tasks if split_of(None, task.data["image"].split("/", 3)[3]) == "train"]
    for task in learnt[:photos]:
        (prediction,) = eventually(lambda task=task: label_studio.predictions(task.id))
        label_studio.create_annotation(task.id, prediction["result"])


def _shown(stack: RunningStack, *words: str) -> Any:
    done = phenoloop(*words, "--json", "--data-dir", str(stack.data_dir))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _ended_run(stack: RunningStack) -> dict[str, Any] | None:
    run = _shown(stack, "runs", "show")
    return run if run["status"] in ("Succeeded", "Failed", "Stopped") else None


@pytest.mark.timeout(900)
def test_annotations_become_a_chain_that_waits_for_a_person_and_then_goes_live(stack: RunningStack) -> None:
    """Fewer than four of the stack's photos are test photos: nobody can tell whether the new chain is better."""
    before = stack.status()["release"]
    _annotate(stack, photos=4)
    asked = phenoloop("retrain", "--data-dir", str(stack.data_dir))
    assert asked.returncode == 0, asked.stderr

    run = eventually(lambda: _ended_run(stack), within_s=RUN_S)
    assert run["status"] == "Succeeded", run["failure_reason"]
    assert run["steps"]["RegisterForReview"] == "Succeeded"
    assert run["evaluation"]["test_photos"] < 4
    assert stack.status()["release"] == before

    again = phenoloop("retrain", "--data-dir", str(stack.data_dir))
    assert f"run {run['name']} has trained" in again.stdout

    (waiting,) = [found for found in _shown(stack, "releases", "list") if found["run"] == run["name"]]
    assert waiting["status"] == "PendingManualApproval"
    approved = phenoloop("releases", "approve", str(waiting["version"]), "--data-dir", str(stack.data_dir))
    assert approved.returncode == 0, approved.stderr
    assert stack.status()["release"] != before

    back = phenoloop("releases", "rollback", "--data-dir", str(stack.data_dir))  # it trained for seconds only
    assert back.returncode == 0, back.stderr
    assert stack.status()["release"] == before
