"""Corrections become one run and an approved package one release, by however many workers and restarts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from phenoloop.cli.releases import wait_until_live
from phenoloop.errors import NothingToLearn
from phenoloop.logs import traced
from sync.registry import chain_package
from tests.contract.chain_aws import BUCKET
from tests.contract.loop_around import AllBehind, Around
from tests.unit.annotation_objects import box
from tests.unit.backend_fakes import FakeQueue


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Around]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Around(tmp_path)


def test_enough_annotations_start_one_run(around: Around) -> None:
    around.annotate(1, 2)
    loop = around.loop()
    loop.annotations()
    assert around.executions() == 0
    around.annotate(3)
    loop.annotation_changed("annotations/3")
    loop.annotations()
    loop.annotations()
    assert around.executions() == 1


def test_two_workers_and_a_restart_never_make_two_runs_of_one_thing(around: Around) -> None:
    around.annotate(1, 2, 3)
    for loop in (around.loop(), around.loop()):
        loop.annotations()
    around.loop().annotations()
    assert around.executions() == 1


def test_only_what_changed_since_the_last_run_counts(around: Around) -> None:
    around.annotate(1, 2, 3)
    around.loop().annotations()
    around.annotated.save(1, result=[box("potato")])
    around.annotated.delete(2)
    decision, pending = around.loop().decision()
    assert (pending.count, decision.due) == (2, False)


def test_an_annotation_whose_event_was_lost_is_found_by_the_sweep(around: Around) -> None:
    loop = around.loop(sweep_every_s=0.001)
    loop.annotations()
    around.annotate(1, 2, 3)
    loop.annotations()
    assert around.executions() == 1


def test_a_worker_that_died_after_its_snapshot_is_made_up_for(around: Around) -> None:
    around.annotate(1, 2, 3)
    around.annotated.build()
    around.loop().annotations()
    assert around.executions() == 1


def test_a_run_waits_for_the_release_that_it_has_to_beat(around: Around) -> None:
    around.annotate(1, 2, 3)
    around.aws.register(around.aws.upload(segmenter=b"better"))
    loop = around.loop()
    loop.annotations()
    assert around.executions() == 0
    loop.release()
    loop.annotations()
    assert around.executions() == 1


def test_a_person_need_not_wait_for_the_policy(around: Around) -> None:
    around.annotate(2, 3)
    run, is_new = around.loop().retrain("asked for", by_itself=False)
    assert (is_new, run.by_itself, around.executions()) == (True, False, 1)


def test_a_run_that_nobody_came_to_start_is_started_by_the_next_sweep(around: Around) -> None:
    around.annotate(1, 2, 3)
    around.loop().annotations()
    (run,) = around.loop().runs.list()
    around.aws.s3.delete_object(Bucket=BUCKET, Key=f"runs/{run.name}/execution.json")
    around.loop().annotations()
    assert around.loop().runs.arn(run)


def test_a_person_who_asks_for_a_run_hears_that_there_is_nothing_to_learn(around: Around) -> None:
    around.skip(1, 2, 3)
    around.loop().annotations()
    with pytest.raises(NothingToLearn):
        around.loop().retrain("asked for", by_itself=False)


def test_nothing_to_learn_is_found_once_and_is_no_failure(around: Around) -> None:
    around.skip(1, 2, 3)
    loop = around.loop()
    with capture_logs() as lines:
        pauses_s = [loop.annotations(), loop.annotations()]
    assert loop.decided is not None
    assert (loop.decided[0].due, loop.decided[0].reason) == (False, "3 changed annotations; nothing to learn from yet")
    assert len([line for line in lines if line["event"] == "no run"]) == 1
    assert min(pauses_s) > 50, "the next sweep is soon enough"
    assert around.loop().decision() == loop.decided, "any other process says the same"


def test_one_annotation_to_learn_from_starts_the_run_that_was_put_off(around: Around) -> None:
    around.skip(1, 2, 3)
    loop = around.loop()
    loop.annotations()
    around.annotate(2)
    loop.annotation_changed("annotations/2")
    loop.annotations()
    assert around.executions() == 1


def test_photos_that_come_after_their_annotations_start_the_run_that_was_put_off(around: Around) -> None:
    for number in (1, 2, 3):
        around.annotated.save(number, f"s3://{BUCKET}/images/late{number}.jpg")
    loop = around.loop(sweep_every_s=0.001)
    loop.annotations()
    assert around.executions() == 0
    for number in (1, 2, 3):
        around.annotated.photo(f"late{number}.jpg")
    loop.annotations()
    assert around.executions() == 1


def test_the_newest_approved_package_goes_live(around: Around) -> None:
    better = around.aws.register(around.aws.upload(segmenter=b"better"))
    around.loop().release()
    assert around.aws.store.live().package_arn == better


def test_a_person_who_waits_for_a_release_may_find_that_sync_was_faster(around: Around) -> None:
    better = around.aws.register(around.aws.upload(segmenter=b"better"))
    sync, person, moved = around.loop(), around.loop(), []

    def sync_is_faster(model: Any, params: dict[str, Any], **_: Any) -> None:
        if params["url_path"].endswith("/live.json") and not moved:
            moved.append(better)
            sync.release()

    around.aws.s3.meta.events.register("before-call.s3.PutObject", sync_is_faster)
    wait_until_live(person, chain_package(around.aws.sagemaker, better))
    assert moved == [around.aws.store.live().package_arn]


def test_a_package_that_waits_for_approval_changes_nothing(around: Around) -> None:
    around.aws.register(around.aws.upload(segmenter=b"better"), approved=False)
    around.loop().release()
    assert around.aws.store.live().package_arn == around.first


def test_a_package_that_fails_its_smoke_test_is_rejected_and_the_live_one_stays(around: Around) -> None:
    better = around.aws.register(around.aws.upload(segmenter=b"better"))
    around.aws.models.broken = True
    loop = around.loop()
    loop.release()
    described = around.aws.sagemaker.describe_model_package(ModelPackageName=better)
    assert described["ModelApprovalStatus"] == "Rejected"
    assert "fails on a photo" in described["ApprovalDescription"]
    assert around.aws.store.live().package_arn == around.first


def test_a_run_its_release_and_the_jobs_that_follow_go_under_one_id(around: Around) -> None:
    around.annotate(1, 2, 3)
    loop = around.loop()
    with traced("look-7"):
        loop.annotations()
    (run,) = loop.runs.list()
    assert run.trace_id == "look-7"

    better = around.aws.register(around.aws.upload(segmenter=b"better"))
    metadata = {"manifest": chain_package(around.aws.sagemaker, better).artifacts.manifest_url, "run": run.name}
    around.aws.sagemaker.update_model_package(
        ModelPackageArn=better, ModelApprovalStatus="Approved", CustomerMetadataProperties=metadata
    )
    with capture_logs(processors=[merge_contextvars]) as lines, traced("another-look"):
        loop.release()
    (live,) = (line for line in lines if line["event"] == "release live")
    assert (live["trace_id"], live["run"]) == ("look-7", run.name)

    queue = FakeQueue()
    with traced("a-third-look"):
        around.loop(tasks=AllBehind(queue)).tasks()
    assert [job.meta for job in queue.jobs] == [{"trace_id": "look-7"}]


def test_how_long_a_release_took_to_reach_every_open_task_is_timed_once(around: Around) -> None:
    tasks = AllBehind(FakeQueue())
    loop = around.loop(tasks=tasks)
    loop.tasks()
    tasks.task_ids = ()
    loop.tasks()
    loop.tasks()
    assert "phenoloop_release_lag_seconds_count 1.0" in loop.metrics.text()


def test_a_release_that_was_followed_before_is_not_timed(around: Around) -> None:
    tasks = AllBehind(FakeQueue())
    tasks.task_ids = ()
    loop = around.loop(tasks=tasks)
    loop.tasks()
    assert "phenoloop_release_lag_seconds_count 0.0" in loop.metrics.text()


def test_how_long_a_saved_annotation_was_unknown_is_timed_by_event_and_by_sweep(around: Around) -> None:
    loop = around.loop(sweep_every_s=0.001)
    loop.annotations()
    around.annotate(1, 2)
    loop.annotation_changed("annotations/1")
    loop.annotations()
    text = loop.metrics.text()
    assert "phenoloop_annotation_lag_seconds_count 2.0" in text
    assert 'phenoloop_annotation_objects{state="added"} 2.0' in text


def test_looking_again_releases_nothing_twice(around: Around) -> None:
    loop, pointer = around.loop(), around.aws.store.pointer()
    loop.release()
    around.loop().release()
    assert around.aws.store.pointer() == pointer
    assert chain_package(around.aws.sagemaker, around.first).approved
