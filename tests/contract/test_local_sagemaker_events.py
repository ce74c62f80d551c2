"""What the local SageMaker tells EventBridge, seen from a queue behind a rule."""

import json
from pathlib import Path
from typing import Any

import pytest

from phenoloop.local_aws.sagemaker.events import Events
from phenoloop.local_aws.sagemaker.store import Kind, Resource
from tests.contract.sagemaker_pipelines import definition, execute, fail_step, processing_step, start
from tests.contract.sagemaker_server import SageMakerServer, client, unique, wait_until
from tests.contract.sagemaker_steps import make_group, register

pytest_plugins = ("tests.contract.sagemaker_fixtures",)
APPROVAL, EXECUTION = (
    "SageMaker Model Package State Change",
    "SageMaker Model Building Pipeline Execution Status Change",
)


class Listener:
    def __init__(self, url: str) -> None:
        self._sqs, events, name = client("sqs", url), client("events", url), unique("events")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        events.put_rule(Name=name, EventPattern=json.dumps({"source": ["phenoloop.sagemaker"]}))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}])
        self._heard: list[dict[str, Any]] = []

    def heard(self, detail_type: str, about: str) -> list[dict[str, Any]]:
        """So far."""
        reply = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        self._heard += [json.loads(message["Body"]) for message in reply.get("Messages", [])]
        return [e for e in self._heard if e["detail-type"] == detail_type and about in e["resources"]]


@pytest.fixture
def listener(moto_url: str) -> Listener:
    return Listener(moto_url)


def test_packages_made_and_approved_are_told(sagemaker_server: SageMakerServer, listener: Listener) -> None:
    control, group = sagemaker_server.control, make_group(sagemaker_server.control)
    arn = register(control, group)
    control.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="good")
    wait_until(lambda: len(listener.heard(APPROVAL, arn)) == 2)
    made, approved = (event["detail"] for event in listener.heard(APPROVAL, arn))
    assert made["ModelApprovalStatus"] == "PendingManualApproval"
    assert (
        approved.items()
        >= {
            "ModelPackageArn": arn,
            "ModelPackageGroupName": group,
            "ModelPackageVersion": 1,
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": "Approved",
        }.items()
    )
    assert approved["CreationTime"].endswith("Z")


def test_each_status_of_an_execution_is_told(sagemaker_server: SageMakerServer, listener: Listener) -> None:
    arn = execute(sagemaker_server, definition(processing_step("One")))
    wait_until(lambda: len(listener.heard(EXECUTION, arn)) == 2)
    started, ended = (event["detail"] for event in listener.heard(EXECUTION, arn))
    assert started["currentPipelineExecutionStatus"] == "Executing"
    assert (
        ended.items()
        >= {
            "currentPipelineExecutionStatus": "Succeeded",
            "previousPipelineExecutionStatus": "Executing",
            "pipelineArn": arn.partition("/execution/")[0],
            "pipelineExecutionArn": arn,
        }.items()
    )
    assert ended["executionStartTime"] < ended["executionEndTime"]


def test_a_failure_is_told(sagemaker_server: SageMakerServer, listener: Listener) -> None:
    arn = start(sagemaker_server, definition(fail_step("Stop", "no")))
    wait_until(lambda: len(listener.heard(EXECUTION, arn)) == 2)
    assert listener.heard(EXECUTION, arn)[-1]["detail"]["currentPipelineExecutionStatus"] == "Failed"


def test_the_embedded_event_bus_carries_them(embedded_url: str) -> None:
    listener, group = Listener(embedded_url), unique("chain")
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{group}/1"
    document = {"ModelPackageGroupName": group, "ModelPackageVersion": 1, "ModelApprovalStatus": "Approved"}
    events = Events(client("events", embedded_url), "phenoloop.sagemaker")
    events.package_changed(Resource(Kind.MODEL_PACKAGE, f"{group}/1", arn, 0.0, 0.0, document))
    wait_until(lambda: bool(listener.heard(APPROVAL, arn)))
    (event,) = listener.heard(APPROVAL, arn)
    assert event["source"] == "phenoloop.sagemaker"
    assert event["detail"]["ModelApprovalStatus"] == "Approved"


def test_calls_do_not_wait_for_an_event_bus_that_is_away(tmp_path: Path) -> None:
    events = Events(client("events", "http://127.0.0.1:9"), "phenoloop.sagemaker")
    document = {"ModelPackageGroupName": "chain", "ModelPackageVersion": 1, "ModelApprovalStatus": "Approved"}
    for version in range(2000):
        events.package_changed(Resource(Kind.MODEL_PACKAGE, f"chain/{version}", "arn", 0.0, 0.0, document))
