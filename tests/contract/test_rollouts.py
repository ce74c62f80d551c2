"""A chain goes live step by step, whatever dies on the way, and goes back by itself if it does badly."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from loc360.wire import Box
from phenoloop.errors import RegistryFailed, SmokeTestFailed
from sync.registry import chain_package
from tests.contract.chain_aws import BUCKET, PAINTED, PHOTO
from tests.contract.rollout_desk import ALL_STEPS, RolloutDesk, facts


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RolloutDesk]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield RolloutDesk(tmp_path)


# Going live


def test_the_record_tells_each_step_and_what_was_seen(desk: RolloutDesk) -> None:
    release = desk.released()
    (rollout,) = desk.rollouts.list()
    assert [step.name for step in rollout.steps] == ALL_STEPS
    assert (rollout.release, rollout.outcome, rollout.attempt) == (release.name, "live", 1)
    assert facts(desk, release, "smoke") == {"photos": 1, "objects": 3, "compared_with": "nothing"}


def test_a_worker_that_dies_after_each_single_write_is_made_up_for(desk: RolloutDesk) -> None:
    before = desk.released()
    desk.configure(canary_projects=(7,), keep_previous_s=0)
    desk.desk.predicted = {PHOTO: [thing.box for thing in PAINTED]}
    package = desk.register(desk.upload(segmenter=b"better"))
    deaths = _dying_after_each_write(desk)
    assert deaths > 15

    live = desk.store.live()
    pointer = desk.store.pointer()
    assert (live.package_arn, pointer.previous, pointer.canary) == (package, before.name, None)
    (rollout, replaced) = desk.rollouts.list()
    assert [step.name for step in rollout.steps] == ALL_STEPS
    assert (replaced.release, replaced.outcome) == (before.name, "replaced")
    assert replaced.step("retired")
    served = {live.detector.endpoint, live.segmenter.endpoint}
    assert desk.names() == {"models": served, "configs": served, "endpoints": served}
    published = json.loads(desk.s3.get_object(Bucket=BUCKET, Key="loc360/manifest.json")["Body"].read())
    assert published["release"] == live.name


def test_a_worker_that_dies_while_it_rejects_a_chain_is_made_up_for(desk: RolloutDesk) -> None:
    live = desk.released()
    package = desk.register(desk.upload(segmenter=b"better"))
    desk.models.broken = True
    _dying_after_each_write(desk)
    assert desk.status(package) == "Rejected"
    assert desk.store.live() == live
    (refused,) = (rollout for rollout in desk.rollouts.list() if rollout.package_arn == package)
    assert refused.outcome == "refused"
    assert desk.endpoints() == {live.detector.endpoint, live.segmenter.endpoint}, "what it left is deleted"


def test_two_workers_at_once_make_one_rollout(desk: RolloutDesk) -> None:
    desk.register(desk.upload())
    other, interrupted = desk.concern, []

    def other_is_faster(params: dict[str, Any], **_: Any) -> None:
        if not interrupted:
            interrupted.append(True)
            other.look()

    desk.s3.meta.events.register("before-call.s3.PutObject", other_is_faster)
    concern = desk.concern
    for _ in range(5):
        try:
            concern.look()
        except Exception as error:  # noqa: BLE001  # a write that lost; the next look goes on
            assert type(error).__name__ == "WriteConflict"  # noqa: PT017
    (rollout,) = desk.rollouts.list()
    assert [step.name for step in rollout.steps] == ALL_STEPS


def test_a_chain_that_waits_is_overtaken_by_a_newer_decision(desk: RolloutDesk) -> None:
    desk.released()
    desk.configure(canary_projects=(7,), canary_s=3600)
    desk.released(segmenter=b"better")
    newer = desk.register(desk.upload(segmenter=b"best"))
    desk.look()
    canary = desk.store.pointer().canary
    assert canary is not None
    assert desk.store.get(canary.release).package_arn == newer
    assert [rollout.outcome for rollout in desk.rollouts.list()] == ["", "overtaken", "live"]


# Smoke test


def test_a_chain_that_does_not_find_what_its_evaluation_found_is_refused(desk: RolloutDesk) -> None:
    _evaluated(desk, "run-1", found=20)
    package = chain_package(desk.sagemaker, desk.register(desk.upload()))
    desk.sagemaker.update_model_package(
        ModelPackageArn=package.arn,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"run": "run-1", "manifest": package.artifacts.manifest_url},
    )
    with pytest.raises(SmokeTestFailed, match="evaluation found"):
        desk.releaser.advance(chain_package(desk.sagemaker, package.arn))
    _evaluated(desk, "run-1", found=3)
    rollout = desk.releaser.advance(chain_package(desk.sagemaker, package.arn))
    smoke = rollout.step("smoke")
    assert smoke is not None
    assert smoke.facts["compared_with"] == "evaluation"


def test_endpoints_that_are_made_anew_must_answer_as_the_first_ones_did(desk: RolloutDesk) -> None:
    desk.configure(keep_previous_s=0)
    first = desk.released()
    desk.released(segmenter=b"better", detector=b"better")
    assert first.detector.endpoint not in desk.endpoints()
    desk.models.blind = first.detector.endpoint
    desk.concern.roll_back("a test")
    with pytest.raises(RegistryFailed):  # moto forgets what a rejected package consists of
        chain_package(desk.sagemaker, desk.store.live().package_arn)
    desk.look()
    rollout = desk.rollouts.find(first.name)
    assert rollout is not None
    assert "first smoke test" in rollout.reason


# Shadow


def test_what_was_really_asked_is_replayed_and_compared(desk: RolloutDesk) -> None:
    desk.released()
    desk.desk.predicted = {PHOTO: [thing.box for thing in PAINTED], "images/gone.png": [PAINTED[0].box]}
    after = desk.released(segmenter=b"better")
    seen = facts(desk, after, "shadow")
    assert (seen["photos"], seen["failures"], seen["objects"], seen["objects_live"]) == (1, 0, 3, 3)
    assert seen["found_again"] == 1.0


def test_a_chain_that_finds_hardly_anything_where_the_live_one_found_plenty_is_refused(desk: RolloutDesk) -> None:
    live = desk.released()
    boxes = [Box(20 * n, 10, 20 * n + 15, 40) for n in range(12)]
    desk.desk.predicted = {PHOTO: boxes}
    package = desk.register(desk.upload(detector=b"blind"))
    desk.models.blind = desk.releaser.release_of(chain_package(desk.sagemaker, package)).detector.endpoint
    desk.look()
    assert desk.status(package) == "Rejected"
    assert desk.store.live() == live
    (refused,) = (rollout for rollout in desk.rollouts.list() if rollout.package_arn == package)
    assert "hardly anything" in refused.reason


# Canary


def test_a_canary_serves_its_projects_alone_until_its_time_is_over(desk: RolloutDesk) -> None:
    before = desk.released()
    desk.configure(canary_projects=(7, 9), canary_s=3600)
    desk.register(desk.upload(segmenter=b"better"))
    desk.look(2)
    pointer = desk.store.pointer()
    assert pointer.canary is not None
    assert (pointer.release, pointer.release_of(8)) == (before.name, before.name)
    assert pointer.release_of(7) == pointer.release_of(9) == pointer.canary.release != before.name
    desk.configure(canary_projects=(7, 9), canary_s=0)
    desk.look()
    assert desk.store.pointer().release == pointer.canary.release
    assert desk.store.pointer().canary is None


def test_an_alarm_withdraws_a_canary_before_the_others_saw_it(desk: RolloutDesk) -> None:
    before = desk.released()
    desk.configure(canary_projects=(7,), canary_s=3600)
    package = desk.register(desk.upload(segmenter=b"better"))
    desk.look()
    canary = desk.store.pointer().canary
    assert canary is not None
    desk.ring(desk.store.get(canary.release).segmenter.endpoint)
    desk.look()
    pointer = desk.store.pointer()
    assert (pointer.release, pointer.canary) == (before.name, None)
    assert desk.status(package) == "Rejected"


# Helpers


class Died(BaseException):
    """The worker was killed."""


def _dying_after_each_write(desk: RolloutDesk) -> int:
    """Looks that each die right after a write that none before them made, until one lives; how many died."""
    asked: list[str] = []
    made: set[str] = set()

    def ask(params: dict[str, Any], event_name: str, **_: Any) -> None:
        asked.append(f"{event_name} {params}")

    def die(event_name: str, **_: Any) -> None:
        if not event_name.rpartition(".")[2].startswith(("Get", "List", "Describe", "Head")) and asked[-1] not in made:
            made.add(asked[-1])
            raise Died

    for client in (desk.s3, desk.sagemaker, desk.cloudwatch):
        client.meta.events.register("provide-client-params", ask)
        client.meta.events.register("after-call", die)
    while True:
        try:
            desk.look(2)
        except Died:
            assert len(made) < 200, "it never comes to rest"
        else:
            return len(made)


def _evaluated(desk: RolloutDesk, run: str, *, found: int) -> None:
    told = [{"photo": f"s3://{BUCKET}/{PHOTO}", "candidate": {"found": found, "extra": 0}}]
    desk.s3.put_object(Bucket=BUCKET, Key=f"runs/{run}/evaluation/photos.json", Body=json.dumps(told).encode())
