"""From saved annotations through SageMaker's pipeline to a chain that waits for a person, with nothing done by hand."""

import json
from typing import Any

import pytest

from sync.split import split_of
from tests.conftest import RunningStack, eventually, phenoloop

pytestmark = pytest.mark.integration

RUN_S = 400.0


def _annotate(stack: RunningStack, photos: int) -> list[tuple[int, int]]:
    """Accept what the live chain proposes, on this many photos; each annotation with its prediction."""
    label_studio, project_id = stack.label_studio(), stack.status()["label_studio"]["project_id"]
    open_tasks = label_studio.tasks(project_id, only_open=True)
    learnt = [task for task in open_tasks if split_of(None, task.data["image"].split("/", 3)[3]) == "train"]
    accepted = []
    for task in learnt[:photos]:
        (prediction,) = eventually(lambda task=task: label_studio.predictions(task.id))
        parent = int(prediction["id"])
        accepted.append(
            (label_studio.create_annotation(task.id, prediction["result"], parent_prediction=parent), parent)
        )
    return accepted


def _shown(stack: RunningStack, *words: str) -> Any:
    done = phenoloop(*words, "--json", "--data-dir", str(stack.data_dir))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _traced(stack: RunningStack, *words: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Kind and name of everything before and after."""
    found = _shown(stack, "trace", *words)
    return _named(found["before"]), _named(found["after"])


def _named(links: list[dict[str, Any]]) -> set[tuple[str, str]]:
    here = {(str(link["kind"]), str(link["name"])) for link in links}
    return here.union(*(_named(link["links"]) for link in links))


def _assert_the_ledger_leads_around(
    stack: RunningStack, accepted: tuple[int, int], *, run: str, before: str, after: str
) -> None:
    annotation, prediction = ("annotation", str(accepted[0])), ("prediction", str(accepted[1]))
    came_from, led_to = _traced(stack, *annotation)
    assert {prediction, ("release", before)} <= came_from
    assert {("run", run), ("release", after)} <= led_to
    came_from, led_to = _traced(stack, *prediction)
    assert ("release", before) in came_from
    assert {annotation, ("release", after)} <= led_to
    came_from, _ = _traced(stack, "release", "live", "--all")
    assert {("run", run), annotation} <= came_from
    _, led_to = _traced(stack, "release", before, "--all")
    assert {prediction, annotation} <= led_to


def _ended_run(stack: RunningStack) -> dict[str, Any] | None:
    run = _shown(stack, "runs", "show")
    return run if run["status"] in ("Succeeded", "Failed", "Stopped") else None


@pytest.mark.timeout(900)
def test_annotations_become_a_chain_that_waits_for_a_person_and_then_goes_live(stack: RunningStack) -> None:
    """Fewer than four of the stack's photos are test photos: nobody can tell whether the new chain is better."""
    before = stack.status()["release"]
    accepted = _annotate(stack, photos=4)
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
    after = stack.status()["release"]
    assert after != before
    _assert_the_ledger_leads_around(stack, accepted[0], run=run["name"], before=before, after=after)

    back = phenoloop("releases", "rollback", "--data-dir", str(stack.data_dir))  # it trained for seconds only
    assert back.returncode == 0, back.stderr
    assert stack.status()["release"] == before
