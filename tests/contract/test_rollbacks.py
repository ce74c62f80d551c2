"""A release that does badly gives way, what nobody needs goes, and adopted endpoints are a release as any."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from phenoloop.chain.releases import Release
from phenoloop.connect.endpoints import adopted_release, go_live
from phenoloop.errors import EndpointUnavailable, RegistryFailed
from sync.registry import ChainPackage, chain_package
from sync.release.concern import GIVE_UP_S, ReleaseConcern
from tests.contract.chain_aws import BUCKET, IMAGE, ROLE
from tests.contract.rollout_desk import ALL_STEPS, RolloutDesk, facts
from tests.unit.fake_models import manifest


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RolloutDesk]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield RolloutDesk(tmp_path)


# Alarms and the way back


def test_an_alarm_after_going_live_rolls_back_by_itself(desk: RolloutDesk) -> None:
    before = desk.released()
    desk.configure(watch_s=3600)
    after = desk.released(segmenter=b"better")
    desk.ring(after.segmenter.endpoint, "latency")
    desk.look(2)
    assert desk.store.live() == before
    assert desk.status(after.package_arn) == "Rejected"
    rollout = desk.rollouts.find(after.name)
    assert rollout is not None
    assert (rollout.outcome, "latency" in rollout.reason) == ("rolled back", True)
    assert after.segmenter.endpoint in desk.endpoints(), "it stays up for a while, as any previous one"


def test_an_alarm_of_an_endpoint_that_the_release_before_has_too_changes_nothing(desk: RolloutDesk) -> None:
    desk.released()
    desk.configure(watch_s=3600)
    after = desk.released(segmenter=b"better")
    desk.ring(after.detector.endpoint)
    desk.ring(after.segmenter.endpoint, "drift")
    desk.look(2)
    assert desk.store.live() == after
    desk.configure(watch_s=0)
    desk.look()
    assert facts(desk, after, "watched") == {"drifting": [f"phenoloop-{after.segmenter.endpoint}-drift"]}


def test_an_alarm_of_the_only_chain_leaves_it_live(desk: RolloutDesk) -> None:
    desk.configure(watch_s=3600)
    only = desk.released()
    desk.ring(only.segmenter.endpoint)
    desk.look(2)
    assert desk.store.live() == only


def test_rolling_back_takes_seconds_while_the_previous_pair_is_up(desk: RolloutDesk) -> None:
    before = desk.released()
    desk.configure(canary_projects=(7,), canary_s=0)
    after = desk.released(segmenter=b"better")
    assert desk.store.live() == after
    desk.configure(canary_projects=(7,), canary_s=3600)
    made, began_s = _created(desk), time.monotonic()
    desk.concern.roll_back("a test")
    desk.look()
    assert desk.store.live() == before
    assert time.monotonic() - began_s < 60
    assert made == [], "nothing was made anew"


def test_nothing_is_rolled_back_to_nothing(desk: RolloutDesk) -> None:
    only = desk.released()
    with pytest.raises(RegistryFailed, match="No other chain"):
        desk.concern.roll_back("a test")
    desk.look()
    assert desk.store.live() == only


def test_a_chain_that_is_approved_again_goes_the_whole_way_again(desk: RolloutDesk) -> None:
    desk.released()
    after = desk.released(segmenter=b"better")
    package = chain_package(desk.sagemaker, after.package_arn)
    desk.concern.roll_back("a test")
    desk.look()
    _approve_again(desk, package)
    desk.look()
    assert desk.store.live() == after
    rollout = desk.rollouts.find(after.name)
    assert rollout is not None
    assert (rollout.attempt, rollout.outcome, [step.name for step in rollout.steps]) == (2, "live", ALL_STEPS)


# Patience


def test_endpoints_that_fail_at_every_look_for_long_are_given_up(desk: RolloutDesk) -> None:
    package = desk.register(desk.upload())
    concern = desk.concern
    _fails(desk, concern, at_s=0)
    _fails(desk, concern, at_s=GIVE_UP_S)
    assert desk.status(package) == "Approved"
    desk.now_s += 1
    concern.look()
    assert desk.status(package) == "Rejected"


def test_an_error_long_after_another_that_passed_is_a_first_one(desk: RolloutDesk) -> None:
    desk.configure(keep_previous_s=0)
    before = desk.register(desk.upload())
    concern = desk.concern
    _fails(desk, concern, at_s=0)
    desk.models.unavailable = False
    concern.look()
    desk.released(segmenter=b"better")
    concern.roll_back("nothing is left of the one before, so it is tested anew")
    _fails(desk, concern, at_s=7 * 86400)
    assert desk.status(before) == "Approved"


def test_a_chain_that_is_approved_anew_gets_all_the_patience_again(desk: RolloutDesk) -> None:
    package = chain_package(desk.sagemaker, desk.register(desk.upload()))
    concern = desk.concern
    _fails(desk, concern, at_s=0)
    concern.reject(package, "a test")
    _approve_again(desk, package)
    _fails(desk, concern, at_s=GIVE_UP_S + 1)
    assert desk.status(package.arn) == "Approved"


# Retirement


def test_after_the_time_for_a_way_back_nothing_of_the_previous_pair_is_left(desk: RolloutDesk) -> None:
    before = desk.released()
    after = desk.released(segmenter=b"better")
    assert before.segmenter.endpoint in desk.endpoints()
    desk.configure(keep_previous_s=0)
    desk.look()
    kept = {after.detector.endpoint, after.segmenter.endpoint}
    assert before.detector.endpoint in kept, "an unchanged stage keeps its endpoint"
    assert desk.names() == {"models": kept, "configs": kept, "endpoints": kept}
    assert desk.alarms() == {f"phenoloop-{name}-{kind}" for name in kept for kind in ("errors", "latency", "drift")}
    assert facts(desk, before, "retired") == {"deleted": [before.segmenter.endpoint]}


# Adopted endpoints


def test_of_an_adoption_and_an_approval_the_later_one_is_live(desk: RolloutDesk) -> None:
    approved = desk.released()
    adopted = _adopt(desk)
    desk.look()
    assert desk.store.live() == adopted
    later = desk.register(desk.upload(segmenter=b"better"))
    desk.look()
    assert desk.store.live().package_arn == later
    assert approved.name != adopted.name


def test_an_adopted_release_is_told_to_the_platform_and_can_be_rolled_back(desk: RolloutDesk) -> None:
    approved = desk.released()
    adopted = _adopt(desk)
    desk.look()
    told = json.loads(desk.s3.get_object(Bucket=BUCKET, Key="loc360/manifest.json")["Body"].read())
    assert told["release"] == adopted.name
    desk.concern.roll_back("a test")
    desk.look()
    assert desk.store.live() == approved


def test_adopted_endpoints_are_never_deleted(desk: RolloutDesk) -> None:
    desk.configure(keep_previous_s=0)
    adopted = _adopt(desk)
    desk.look()
    desk.released()
    assert facts(desk, adopted, "retired") == {"deleted": []}
    assert {"their-detector", "their-segmenter"} <= desk.endpoints()


# Machines


def test_endpoints_may_be_serverless(desk: RolloutDesk) -> None:
    with_instances = desk.released()
    desk.training = desk.training.model_copy(update={"serverless_memory_mb": 4096})
    release = desk.deploy(with_instances.package_arn)
    config = desk.sagemaker.describe_endpoint_config(EndpointConfigName=release.detector.endpoint)
    (variant,) = config["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 4096, "MaxConcurrency": 12}
    assert release.detector.endpoint != with_instances.detector.endpoint


def test_endpoints_run_in_the_vpc_that_the_settings_name(desk: RolloutDesk) -> None:
    outside = desk.released()
    desk.training = desk.training.model_copy(update={"subnet_ids": "subnet-a1", "security_group_ids": "sg-b2"})
    release = desk.deploy(outside.package_arn)
    model = desk.sagemaker.describe_model(ModelName=release.detector.endpoint)
    assert model["VpcConfig"] == {"Subnets": ["subnet-a1"], "SecurityGroupIds": ["sg-b2"]}
    assert release.detector.endpoint != outside.detector.endpoint


def test_endpoints_grow_with_their_calls_if_they_may(desk: RolloutDesk) -> None:
    desk.training = desk.training.model_copy(update={"endpoint_instances_max": 3})
    desk.configure(keep_previous_s=0)
    first = desk.released()
    desk.released(segmenter=b"better")
    targets = desk.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    live = desk.store.live()
    scaled = {target["ResourceId"]: target["MaxCapacity"] for target in targets}
    assert scaled == {f"endpoint/{s.endpoint}/variant/live": 3 for s in (live.detector, live.segmenter)}
    assert f"endpoint/{first.segmenter.endpoint}/variant/live" not in scaled


# Helpers


def _approve_again(desk: RolloutDesk, package: ChainPackage) -> None:
    """With the metadata, which moto would forget."""
    desk.sagemaker.update_model_package(
        ModelPackageArn=package.arn,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"manifest": package.artifacts.manifest_url},
    )


def _fails(desk: RolloutDesk, concern: ReleaseConcern, *, at_s: float) -> None:
    desk.now_s, desk.models.unavailable = at_s, True
    with pytest.raises(EndpointUnavailable):
        concern.look()


def _created(desk: RolloutDesk) -> list[str]:
    """What is created from now on."""
    made: list[str] = []
    desk.sagemaker.meta.events.register(
        "before-call", lambda event_name, **_: made.append(event_name) if ".Create" in event_name else None
    )
    return made


def _adopt(desk: RolloutDesk) -> Release:
    sagemaker = desk.sagemaker
    for role in ("detector", "segmenter"):
        name = f"their-{role}"
        sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
        variant: Any = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    release = adopted_release(
        sagemaker, detector="their-detector", segmenter="their-segmenter", manifest=manifest("").to_dict()
    )
    list(go_live(desk.store, desk.rollouts, release, even_if_another_is=True))
    return release
