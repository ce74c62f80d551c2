"""A chain that is approved goes live by itself, open tasks follow, and there is a way back."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest
import requests

from sync.registry import ChainPackage, packages, register_chain
from tests.conftest import RunningStack, eventually, phenoloop

pytestmark = pytest.mark.integration

GROUP = "phenoloop-chain"


def _packages(stack: RunningStack) -> list[ChainPackage]:
    return packages(stack.client("sagemaker"), GROUP)


def _register_stricter_chain(stack: RunningStack) -> ChainPackage:
    """The same two models under a manifest that drops unsure finds; it waits for approval."""
    s3, known = stack.client("s3"), _packages(stack)[-1]
    bucket, _, key = known.artifacts.manifest_url.removeprefix("s3://").partition("/")
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) | {"score_threshold": 0.55}
    s3.put_object(Bucket=bucket, Key="artifacts/stricter.json", Body=json.dumps(manifest).encode())
    artifacts = replace(known.artifacts, manifest_url=f"s3://{bucket}/artifacts/stricter.json")
    arn = register_chain(stack.client("sagemaker"), group=GROUP, image=known.image, artifacts=artifacts, approved=False)
    return next(package for package in _packages(stack) if package.arn == arn)


def _versions_of_open_tasks(stack: RunningStack) -> set[str]:
    label_studio, project_id = stack.label_studio(), stack.status()["label_studio"]["project_id"]
    tasks = label_studio.tasks(project_id, only_open=True)
    return {str(p["model_version"]) for task in tasks for p in label_studio.predictions(task.id)}


def _setup(stack: RunningStack) -> str:
    """Which version Label Studio is told."""
    status = stack.status()
    backend, project = status["backend"], f"{status['label_studio']['project_id']}.0"
    body = {"project": project, "schema": status["label_studio"]["label_config"]}
    url, credentials = f"{backend['url']}/setup", (backend["user"], backend["password"])
    return str(requests.post(url, json=body, auth=credentials, timeout=10).json()["model_version"])


def _manifest(stack: RunningStack) -> dict[str, Any]:
    body = stack.client("s3").get_object(Bucket=stack.status()["s3"]["bucket"], Key="loc360/manifest.json")["Body"]
    return dict(json.loads(body.read()))


def test_a_chain_approved_in_the_registry_goes_live_and_back(stack: RunningStack) -> None:
    data_dir = ("--data-dir", str(stack.data_dir))
    before = stack.status()["release"]
    package = _register_stricter_chain(stack)
    assert stack.status()["release"] == before, "it waits for approval"

    stack.client("sagemaker").update_model_package(ModelPackageArn=package.arn, ModelApprovalStatus="Approved")
    after = eventually(lambda: (name := stack.status()["release"]) != before and name, within_s=180)
    assert eventually(lambda: _manifest(stack)["release"] == after)
    assert eventually(lambda: _versions_of_open_tasks(stack) == {after})
    told = json.loads(phenoloop("releases", "rollouts", "--json", *data_dir).stdout)
    (rollout,) = [rollout for rollout in told if rollout["release"] == after]
    steps = {step["name"]: step["facts"] for step in rollout["steps"]}
    assert rollout["outcome"] == "live"
    assert (steps["shadow"]["failures"], steps["shadow"]["photos"] > 0) == (0, True)

    began_s = time.monotonic()
    rolled_back = phenoloop("releases", "rollback", "--reason", "a test", *data_dir)
    assert rolled_back.returncode == 0, rolled_back.stderr
    eventually(lambda: _setup(stack) == before)
    assert time.monotonic() - began_s < 60
    assert stack.status()["release"] == before
    assert eventually(lambda: _versions_of_open_tasks(stack) == {before})
    listed = json.loads(phenoloop("releases", "list", "--json", *data_dir).stdout)
    (rejected,) = [found for found in listed if found["version"] == package.version]
    assert (rejected["status"], rejected["status_reason"], rejected["live"]) == ("Rejected", "a test", False)


def test_the_only_approved_chain_can_not_be_rolled_back(stack: RunningStack) -> None:
    refused = phenoloop("releases", "rollback", "--data-dir", str(stack.data_dir))
    assert refused.returncode == 1
    assert "No other chain is approved" in refused.stderr
