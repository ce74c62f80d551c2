"""The template at work: what the embedded services know of it is really deployed, and its rules really fire."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from phenoloop.aws.deployment import template_with_code, upload_code
from phenoloop.aws.packages import PACKAGES, Package, archive
from phenoloop.aws.settings import settings_of
from phenoloop.aws.stack import Change, Stack
from phenoloop.connect.notification import notify_queue
from phenoloop.doctor import events as doctor
from phenoloop.doctor.check import State
from phenoloop.doctor.loop import Aws, Loop
from phenoloop.errors import DeploymentFailed
from phenoloop.local_aws.processes import Supervisor
from phenoloop.local_aws.sagemaker.containers import free_port
from phenoloop.local_aws.services import CREDENTIALS, ministack
from phenoloop.settings import BackendSettings, LabelStudioSettings, Settings, StorageSettings
from sync.events import ObjectEvent, RegistryEvent, events
from tests.conftest import eventually, phenoloop

pytestmark = pytest.mark.integration

CODE, BUCKET, QUEUE = "code-of-ours", "photos-of-ours", "phenoloop-annotations"
NEVER_DEPLOYED_HERE = {"AWS::SageMaker::ModelPackageGroup"}
"""MiniStack does not know it: docs/aws.md says so."""
PARAMETERS = {
    "BucketName": BUCKET,
    "EventSource": "phenoloop.sagemaker",  # PutEvents refuses aws.* there, as on AWS
    "KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000",
    "AlarmEmail": "someone@example.org",
    "SourceRepository": "https://github.com/someone/phenoloop",
    "SourceConnectionArn": "arn:aws:codeconnections:us-east-1:000000000000:connection/1",
}
PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/phenoloop-chain/1"

Client = Callable[[str], Any]
"""By service."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of embedded services that may run Lambdas, as those of the demo may not."""
    folder, port = tmp_path_factory.mktemp("template"), free_port()
    service = ministack(folder, port)
    may_run = {"LAMBDA_STRICT": "0", "LAMBDA_EXECUTOR": "local"}
    supervisor = Supervisor(folder / "logs")
    supervisor.start(dataclasses.replace(service, environment={**service.environment, **may_run}))
    try:
        supervisor.wait_until_ready("ministack")
        yield f"http://127.0.0.1:{port}"
    finally:
        supervisor.stop()


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    return lambda name: session.client(name, endpoint_url=url)  # type: ignore[call-overload]


def deployable() -> dict[str, Any]:
    template = template_with_code(CODE, light_packages())
    known = {n: about for n, about in template["Resources"].items() if about["Type"] not in NEVER_DEPLOYED_HERE}
    assert len(known) == len(template["Resources"]) - 1
    return {**template, "Resources": known}


def light_packages() -> dict[str, Package]:
    """Without the libraries, whose installation takes a minute."""
    empty = Package(lambda: archive({}), lambda: b"empty")
    return {**PACKAGES, "lambdas/libraries": empty}


@pytest.fixture(scope="module")
def planned(client: Client) -> tuple[Change, ...]:
    """The stack is deployed; what was planned of it."""
    upload_code(client("s3"), CODE, "us-east-1", light_packages())
    stack = Stack(client("cloudformation"), "phenoloop")
    plan = stack.plan(deployable(), PARAMETERS)
    assert plan.is_new
    stack.carry_out(plan)
    return plan.changes


@pytest.fixture
def stack(client: Client, planned: tuple[Change, ...]) -> Stack:
    return Stack(client("cloudformation"), "phenoloop")


def heard(client: Client) -> list[str]:
    """The bodies of the messages that the queue holds, taken off it."""
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in found]


def test_a_plan_names_everything_that_is_made(planned: tuple[Change, ...]) -> None:
    kinds = {change.kind for change in planned}
    assert {"AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Events::Rule", "AWS::Lambda::Function"} <= kinds
    assert {"AWS::IAM::Role", "AWS::ApiGatewayV2::Route", "AWS::CloudWatch::Alarm", "AWS::CodeBuild::Project"} <= kinds
    assert {change.action for change in planned} == {"Add"}


def test_the_approval_rule_runs_the_lambda_and_sync_understands_what_it_queues(client: Client, stack: Stack) -> None:
    detail = {"ModelPackageGroupName": "phenoloop-chain", "ModelPackageArn": PACKAGE, "ModelApprovalStatus": "Approved"}
    tell(client, "SageMaker Model Package State Change", detail)
    (body,) = eventually(lambda: heard(client))
    assert events(body) == [RegistryEvent(PACKAGE)]
    assert json.loads(body)["detail"] == detail
    log_group = "/aws/lambda/phenoloop-approval"  # written after what it sent has come
    assert eventually(lambda: client("logs").describe_log_streams(logGroupName=log_group)["logStreams"])


def test_packages_of_others_are_not_queued(client: Client, stack: Stack) -> None:
    tell(client, "SageMaker Model Package State Change", {"ModelPackageGroupName": "of-others"})
    assert heard(client) == []


def test_a_run_that_gets_further_is_queued(client: Client, stack: Stack) -> None:
    pipeline = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/phenoloop"
    detail = {"pipelineArn": pipeline, "pipelineExecutionArn": f"{pipeline}/execution/1"}
    tell(client, "SageMaker Model Building Pipeline Execution Status Change", detail)
    (body,) = eventually(lambda: heard(client))
    assert events(body) == [RegistryEvent(f"{pipeline}/execution/1")]


@pytest.mark.parametrize("key", ["annotations/1", "images/a b+c.jpg"])
def test_an_annotation_or_photo_that_comes_is_queued(client: Client, stack: Stack, key: str) -> None:
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    (body,) = eventually(lambda: heard(client))
    assert events(body) == [ObjectEvent(BUCKET, key)]


def test_what_the_loop_writes_itself_is_not_queued(client: Client, stack: Stack) -> None:
    for key in ("runs/1.json", "releases/live.json", "snapshots/1"):
        client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    assert heard(client) == []


def test_the_bucket_keeps_versions_and_is_private(client: Client, stack: Stack) -> None:
    s3 = client("s3")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}


def test_nobody_calls_the_api_without_credentials(client: Client, stack: Stack) -> None:
    api = client("apigatewayv2")
    (found,) = api.get_apis()["Items"]
    routes = api.get_routes(ApiId=found["ApiId"])["Items"]
    assert {route["RouteKey"]: route["AuthorizationType"] for route in routes} == {"POST /predictions": "AWS_IAM"}


def test_connect_and_doctor_find_the_events_of_the_stack_right(client: Client, stack: Stack) -> None:
    class OfTheStack(Aws):
        def client(self, name: str, *, read_timeout_s: float = 5.0) -> Any:
            return client(name)

    settings = Settings(
        storage=StorageSettings(bucket=BUCKET),
        label_studio=LabelStudioSettings(url="http://label-studio", token="t"),  # type: ignore[arg-type]
        backend=BackendSettings(password="p" * 12),  # type: ignore[arg-type]
        queue_url=client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"],
    )
    loop = Loop(settings, project_id=1, aws=OfTheStack())
    step = notify_queue(client("s3"), client("sqs"), settings, apply=True, events=client("events"))
    assert step.outcome == "right"
    assert [look(loop).state for look in (doctor.queue, doctor.notification, doctor.approvals)] == [State.OK] * 3


def test_the_outputs_are_settings(stack: Stack) -> None:
    settings = settings_of(stack.outputs(), "us-east-1")
    assert settings["PHENOLOOP_STORAGE__BUCKET"] == BUCKET
    assert settings["PHENOLOOP_QUEUE_URL"].endswith(QUEUE)
    assert settings["PHENOLOOP_TRAINING__TRAINING_IMAGE"].endswith("phenoloop-training:1")


def test_the_same_again_changes_nothing_and_a_parameter_stays_as_it_was(stack: Stack) -> None:
    again = stack.plan(deployable(), {})
    assert again.changes == ()
    stack.discard(again)
    assert stack.parameters()["BucketName"] == BUCKET


def test_the_command_plans_the_whole_template_and_says_what_cloudformation_refuses(url: str) -> None:
    words = ("aws", "plan", "--stack", "another", "--parameter", "BucketName=of-others")
    told = phenoloop(*words, settings=CREDENTIALS | {"AWS_ENDPOINT_URL": url})
    assert told.returncode == 1
    assert f"Unrecognized resource types: [{', '.join(NEVER_DEPLOYED_HERE)}]" in told.stderr


def test_the_command_writes_the_settings_of_the_stack(stack: Stack, url: str, tmp_path: Path) -> None:
    env = tmp_path / ".env"
    told = phenoloop("aws", "settings", "--env", str(env), settings=CREDENTIALS | {"AWS_ENDPOINT_URL": url})
    assert told.returncode == 0, told.stderr
    assert f"PHENOLOOP_STORAGE__BUCKET={BUCKET}\n" in env.read_text()
    assert "role/phenoloop-sync" in told.stdout


def test_a_deployment_that_fails_says_which_resource_and_why(client: Client) -> None:
    client("events").create_event_bus(Name="taken")
    taken = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "taken"}}
    other = Stack(client("cloudformation"), "failing")
    with pytest.raises(DeploymentFailed, match="CREATE_FAILED Taken EventBus already exists"):
        other.carry_out(other.plan({"Parameters": {}, "Resources": {"Taken": taken}}, {}))


def test_a_bucket_that_outlived_its_stack_is_planned_to_be_taken_into_the_next(client: Client) -> None:
    client("s3").create_bucket(Bucket="outlived")
    kept = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {"BucketName": "outlived"}}
    other = Stack(client("cloudformation"), "next")
    plan = other.plan({"Parameters": {}, "Resources": {"Bucket": kept}}, {})
    assert [change.action for change in plan.changes] == ["Import"]
    other.discard(plan)


def test_a_plan_that_is_discarded_leaves_no_stack(client: Client) -> None:
    other, queue = Stack(client("cloudformation"), "another"), {"Queue": {"Type": "AWS::SQS::Queue"}}
    other.discard(other.plan({"Parameters": {}, "Resources": queue}, {}))
    with pytest.raises(DeploymentFailed, match="no such stack"):
        other.outputs()


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({}, "BucketName"),
        ({**PARAMETERS, "Colour": "red"}, "Colour"),
        ({**PARAMETERS, "PredictionApi": "open"}, "open"),
    ],
)
def test_parameters_that_are_wrong_are_told_before_anything_is_made(
    client: Client, parameters: dict[str, str], problem: str
) -> None:
    with pytest.raises(DeploymentFailed, match=problem):
        Stack(client("cloudformation"), "another").plan(deployable(), parameters)


def tell(client: Client, kind: str, detail: dict[str, str]) -> None:
    entry = {"Source": PARAMETERS["EventSource"], "DetailType": kind, "Detail": json.dumps(detail)}
    assert client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
