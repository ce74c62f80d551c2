"""The policies of `infra/iam` allow what the code asks of AWS, and nothing else."""

import ast
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import grimp
import pytest
from botocore import xform_name

REPOSITORY = Path(__file__).parents[2]
POLICIES = REPOSITORY / "infra" / "iam"
IDENTITIES = ("backend", "sync", "sagemaker", "label-studio", "operator")
ROOMS = ("loc360", "phenoloop", "ml_backend", "sync", "training", "serving")
SERVICES = (  # the later one has the name that two share
    *("cloudwatch", "application-autoscaling", "events", "s3", "sqs", "sagemaker", "sagemaker-runtime"),
)
PLACEHOLDERS = {"bucket", "account", "region", "queue", "role"}

ACTIONS = {  # where IAM calls it otherwise than the operation
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "sagemaker-runtime:InvokeEndpoint": "sagemaker:InvokeEndpoint",
}
CLIENTS = {"s3", "sqs", "sagemaker", "events", "runtime", "client", "cloudwatch", "autoscaling"}
TRANSFERS = {"download_file": "s3:GetObject", "download_fileobj": "s3:GetObject", "upload_file": "s3:PutObject"}
UNREACHED = {  # calls of modules that a program imports, in functions that it never comes to
    "backend": {"phenoloop.chain.releases": {"s3:ListBucket", "s3:PutObject"}},  # only sync publishes, operators list
    "sync": {
        "sync.registry": {"sagemaker:CreateModelPackage"},  # only by `phenoloop releases add`
        "sync.runs": {"sagemaker:StopPipelineExecution"},  # only by `phenoloop pipeline stop`
    },
}
BY_OTHERS = {  # what AWS asks for in the role's name, without a call of ours
    # the second one in application-autoscaling's, which changes the endpoint for us by a role that the account's first
    # growing endpoint makes
    "sync": {"iam:PassRole", "sagemaker:UpdateEndpointWeightsAndCapacities", "iam:CreateServiceLinkedRole"},
}


def policy(name: str) -> list[dict[str, Any]]:
    return list(json.loads((POLICIES / f"{name}.json").read_text())["Statement"])


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def allowed(name: str) -> set[str]:
    return {action for statement in policy(name) for action in listed(statement["Action"])}


@cache
def operations() -> dict[str, str]:
    """boto3's method -> IAM's action."""
    session, found = botocore.session.get_session(), {}
    for service in SERVICES:
        for operation in session.get_service_model(service).operation_names:
            action = f"{service}:{operation}"
            found[xform_name(operation)] = ACTIONS.get(action, action)
    return found | TRANSFERS


def actions_of(module: str) -> Iterator[str]:
    path = REPOSITORY / Path(*module.split("."))
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name == "get_paginator" and isinstance(node.args[0], ast.Constant):
                name = str(node.args[0].value)
            if name in operations() and _is_a_client(node.func.value):
                yield operations()[name]


def _is_a_client(receiver: ast.expr) -> bool:
    text = ast.unparse(receiver).rstrip("()")
    return text.rpartition(".")[2].lstrip("_") in CLIENTS


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, cache_dir=None)


def called(role: str, modules: Iterable[str]) -> set[str]:
    unreached = UNREACHED.get(role, {})
    return {action for m in modules for action in actions_of(m) if action not in unreached.get(m, set())}


def reached(*entries: str) -> set[str]:
    return set(entries) | {m for entry in entries for m in imports().find_upstream_modules(entry)}


def rooms(*names: str) -> set[str]:
    return {m for m in imports().modules if m.startswith(tuple(f"{name}." for name in names))}


CALLED = {
    "backend": lambda: called("backend", reached("ml_backend.__main__", "ml_backend.worker", "ml_backend.prelabel")),
    "sync": lambda: called("sync", reached("sync.__main__")),
}


@pytest.mark.parametrize("role", CALLED)
def test_a_programs_policy_allows_exactly_what_it_calls(role: str) -> None:
    calls = CALLED[role]()
    assert len(calls) > 1
    assert allowed(role) - BY_OTHERS.get(role, set()) == calls


def test_what_only_an_operator_calls_is_only_an_operators() -> None:
    calls = called(
        "operator",
        rooms("phenoloop.connect", "phenoloop.doctor", "phenoloop.ledger")
        | {"phenoloop.chain.releases", "sync.registry", "sync.runs", "sync.tuning.searches"},
    )
    asked = calls - allowed("backend") - allowed("sync")
    assert asked
    assert asked <= allowed("operator") <= calls


def test_the_jobs_role_reads_and_writes_s3_as_the_containers_do() -> None:
    from_s3 = {action for action in called("sagemaker", rooms("training", "serving")) if action.startswith("s3:")}
    assert {"s3:GetObject"} <= from_s3 < allowed("sagemaker")


@pytest.mark.parametrize("name", ["sync", "sagemaker", "operator"])
def test_who_must_tell_a_missing_object_from_a_forbidden_one_may_list_all_of_the_bucket(name: str) -> None:
    """S3 answers 403 for a missing object to others. A condition on the prefix would not do: a GET has none."""
    (statement,) = [one for one in policy(name) if "s3:ListBucket" in listed(one["Action"])]
    assert listed(statement["Resource"]) == ["arn:aws:s3:::${bucket}"]
    assert "Condition" not in statement


@pytest.mark.parametrize("name", IDENTITIES)
def test_no_action_is_a_pattern(name: str) -> None:
    assert [action for action in allowed(name) if "*" in action] == []


WHOLE_ACCOUNT = {  # AWS offers no resource to restrict these to
    *("sagemaker:ListModelPackageGroups", "sagemaker:ListModelPackages", "sagemaker:ListTrainingJobs"),
    *("ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_every_resource_is_one_of_ours(name: str) -> None:
    for statement in policy(name):
        if statement["Resource"] == "*":
            assert set(statement["Action"]) <= WHOLE_ACCOUNT
        else:
            assert all("${" in resource for resource in listed(statement["Resource"]))


@pytest.mark.parametrize("file", sorted(POLICIES.glob("*.json")), ids=lambda file: file.stem)
def test_a_policy_has_the_form_that_iam_takes_and_only_known_placeholders(file: Path) -> None:
    written = json.loads(file.read_text())
    assert written.keys() == {"Version", "Statement"}
    assert written["Version"] == "2012-10-17"
    names = [statement["Sid"] for statement in written["Statement"]]
    assert len(set(names)) == len(names)
    assert all(name.isalnum() for name in names)
    for statement in written["Statement"]:
        assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}
        assert statement["Effect"] in {"Allow", "Deny"}
        assert all(":" in action for action in listed(statement["Action"]))
    used = {part.partition("}")[0] for part in file.read_text().split("${")[1:]}
    assert used <= PLACEHOLDERS


@pytest.mark.parametrize("name", IDENTITIES)
def test_every_action_exists(name: str) -> None:
    known = set(operations().values()) | {"s3:ListBucket", "iam:PassRole", "sqs:SendMessage"}
    session = botocore.session.get_session()
    for service in ("ecr", "logs", "cloudwatch", "iam"):
        known |= {f"{service}:{operation}" for operation in session.get_service_model(service).operation_names}
    assert allowed(name) <= known


def test_endpoints_may_be_called_only_under_our_name() -> None:
    for name in ("backend", "sync"):
        (statement,) = [s for s in policy(name) if "sagemaker:InvokeEndpoint" in s["Action"]]
        assert statement["Resource"] == ["arn:aws:sagemaker:${region}:${account}:endpoint/phenoloop-*"]
