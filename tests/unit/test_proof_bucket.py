"""What the proof reads of the loop's bucket and registry."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from phenoloop.demo.proof.bucket import Bucket
from phenoloop.demo.proof.stack import Doors

REGION, GROUP = "us-east-1", "chains"


@pytest.fixture
def doors() -> Iterator[Doors]:
    with mock_aws():
        session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name=REGION)
        session.client("s3").create_bucket(Bucket="loop")
        session.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
        yield Doors(
            label_studio_url="",
            label_studio_token="",
            project_id=1,
            label_config="",
            backend_url="",
            backend_credentials=("", ""),
            bucket="loop",
            images_prefix="images/",
            package_group=GROUP,
            client=lambda service: session.client(service),  # type: ignore[call-overload]  # the name is no literal
        )


def put(doors: Doors, key: str, **body: Any) -> None:
    doors.client("s3").put_object(Bucket=doors.bucket, Key=key, Body=json.dumps(body).encode())


def registered(doors: Doors, **metadata: str) -> str:
    made = doors.client("sagemaker").create_model_package(
        ModelPackageGroupName=GROUP, ModelApprovalStatus="PendingManualApproval", CustomerMetadataProperties=metadata
    )
    return str(made["ModelPackageArn"])


def test_runs_are_listed_in_the_order_that_they_were_asked_for(doors: Doors) -> None:
    put(doors, "runs/z.json", name="z", requested_at="2026-01-01T10:00:00Z")
    put(doors, "runs/a.json", name="a", requested_at="2026-01-01T10:00:00.250000Z")
    put(doors, "runs/a/execution.json", arn="arn:a")
    assert Bucket(doors).runs() == ["z", "a"]


def test_a_run_is_started_once_it_has_an_execution(doors: Doors) -> None:
    put(doors, "runs/a/execution.json", arn="arn:a")
    assert [Bucket(doors).is_started(run) for run in ("a", "b")] == [True, False]


@pytest.mark.parametrize("metadata", [{"manifest": "m", "run": "abc"}, {"manifest": "m"}])
def test_a_release_names_the_run_that_its_package_came_of(doors: Doors, metadata: dict[str, str]) -> None:
    put(doors, "releases/r1.json", package_arn=registered(doors, **metadata))
    assert Bucket(doors).release_run("r1") == metadata.get("run")


def test_every_registered_package_is_listed_with_its_approval(doors: Doors) -> None:
    arn = registered(doors, manifest="m")
    assert Bucket(doors).packages() == {arn: "PendingManualApproval"}


def test_what_a_run_found_holds_a_verdict_if_there_is_one(doors: Doors) -> None:
    put(doors, "runs/a.json", name="a", photos={"train": 3})
    put(doors, "runs/a/evaluation/evaluation.json", test_photos=6, verdict="not better", reasons=["No."])
    facts = Bucket(doors).run_facts("a")
    assert (facts["test_photos"], facts["verdict"], facts["reasons"], facts["gain"]) == (6, "not better", ["No."], None)
