"""A chain is registered once and released as one thing, whatever was done before."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from loc360.manifest import Manifest
from phenoloop.errors import RegistryFailed, SmokeTestFailed
from sync.registry import chain_package
from tests.contract.chain_aws import BUCKET, IMAGE, Aws


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Aws(tmp_path)


def test_the_same_artifacts_are_registered_once(aws: Aws) -> None:
    assert aws.register(aws.upload()) == aws.register(aws.upload())


def test_other_artifacts_are_another_package(aws: Aws) -> None:
    assert aws.register(aws.upload()) != aws.register(aws.upload(segmenter=b"better"))


def test_another_image_is_another_package_and_another_release(aws: Aws) -> None:
    artifacts = aws.upload()
    before = aws.deploy(aws.register(artifacts))
    after = aws.deploy(aws.register(artifacts, image=IMAGE.replace(":1", ":2")))
    assert after.name != before.name
    assert after.detector.endpoint != before.detector.endpoint


def test_a_package_that_waits_for_approval_is_not_released(aws: Aws) -> None:
    with pytest.raises(RegistryFailed, match="not approved"):
        aws.deploy(aws.register(aws.upload(), approved=False))


def test_registering_an_approved_chain_again_approves_the_package(aws: Aws) -> None:
    waiting = aws.register(aws.upload(), approved=False)
    assert aws.register(aws.upload()) == waiting
    package = aws.sagemaker.describe_model_package(ModelPackageName=waiting)
    assert package["ModelApprovalStatus"] == "Approved"


def test_a_package_of_another_kind_in_the_group_is_in_nobodys_way(aws: Aws) -> None:
    aws.register(aws.upload())
    aws.sagemaker.create_model_package(
        ModelPackageGroupName="chain",
        InferenceSpecification={"Containers": [{"Image": IMAGE}]},
    )
    assert aws.register(aws.upload()) == aws.register(aws.upload())


def test_a_package_says_what_it_consists_of(aws: Aws) -> None:
    artifacts = aws.upload()
    assert chain_package(aws.sagemaker, aws.register(artifacts)).artifacts == artifacts


def test_a_package_that_is_no_chain_is_refused(aws: Aws) -> None:
    aws.sagemaker.create_model_package_group(ModelPackageGroupName="other")
    package = aws.sagemaker.create_model_package(
        ModelPackageGroupName="other",
        InferenceSpecification={"Containers": [{"Image": IMAGE}]},
    )
    with pytest.raises(RegistryFailed, match="no chain"):
        chain_package(aws.sagemaker, package["ModelPackageArn"])


def test_a_deployed_package_is_the_live_release(aws: Aws) -> None:
    release = aws.deploy(aws.register(aws.upload()))
    assert aws.store.live() == release
    assert aws.endpoints() == {release.detector.endpoint, release.segmenter.endpoint}
    assert release.manifest["release"] == release.name


def test_deploying_again_changes_nothing(aws: Aws) -> None:
    package_arn = aws.register(aws.upload())
    first, pointer = aws.deploy(package_arn), aws.store.pointer()
    assert aws.deploy(package_arn) == first
    assert aws.store.pointer() == pointer


def test_a_stage_that_did_not_change_keeps_its_endpoint(aws: Aws) -> None:
    before = aws.deploy(aws.register(aws.upload()))
    after = aws.deploy(aws.register(aws.upload(segmenter=b"better")))
    assert after.detector == before.detector
    assert after.segmenter.endpoint != before.segmenter.endpoint
    assert after.name != before.name
    assert aws.store.pointer().previous == before.name


def test_a_change_of_the_manifest_alone_is_a_new_release_on_the_same_endpoints(aws: Aws) -> None:
    before = aws.deploy(aws.register(aws.upload()))
    after = aws.deploy(aws.register(aws.upload(score_threshold=0.7)))
    assert after.name != before.name
    assert (after.detector, after.segmenter) == (before.detector, before.segmenter)


def test_a_chain_that_fails_on_a_photo_does_not_go_live(aws: Aws) -> None:
    before = aws.deploy(aws.register(aws.upload()))
    better = aws.register(aws.upload(segmenter=b"better"))
    aws.models.broken = True
    with pytest.raises(SmokeTestFailed, match="I am"):
        aws.deploy(better)
    assert aws.store.live() == before


def test_a_broken_photo_in_the_bucket_does_not_fail_the_smoke_test(aws: Aws) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="images/broken.jpg", Body=b"no photo")
    release = aws.deploy(aws.register(aws.upload()))
    assert aws.store.live() == release


def test_the_platform_reads_the_live_releases_manifest(aws: Aws) -> None:
    release = aws.deploy(aws.register(aws.upload()))
    published = json.loads(aws.s3.get_object(Bucket=BUCKET, Key="loc360/manifest.json")["Body"].read())
    assert Manifest.from_dict(published).release == release.name


def test_a_manifest_that_is_published_already_is_not_written_again(aws: Aws) -> None:
    release = aws.deploy(aws.register(aws.upload()))
    assert not aws.releaser.publish_manifest(release)


def test_the_manifest_of_a_release_is_what_was_registered(aws: Aws) -> None:
    release = aws.deploy(aws.register(aws.upload(crop_side_px=320)))
    stored = json.loads(aws.s3.get_object(Bucket=BUCKET, Key=f"releases/{release.name}.json")["Body"].read())
    assert stored["manifest"]["crop_side_px"] == 320
