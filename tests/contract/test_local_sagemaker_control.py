"""The local SageMaker's control plane where moto falls short of AWS: limits, refusals, idempotence."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from phenoloop.local_aws.sagemaker.calls import Call
from phenoloop.local_aws.sagemaker.containers import Images, UnknownImage
from phenoloop.local_aws.sagemaker.model_package_groups import ModelPackageGroups
from phenoloop.local_aws.sagemaker.model_packages import ModelPackages
from phenoloop.local_aws.sagemaker.store import Store
from tests.contract.sagemaker_server import BUCKET, SageMakerServer, unique, variant
from tests.contract.sagemaker_steps import ONE_CONTAINER, make_group, make_model, refusal, register

pytest_plugins = ("tests.contract.sagemaker_fixtures",)
ARN = "arn:aws:sagemaker:us-east-1:000000000000:"


@pytest.fixture
def control(sagemaker_server: SageMakerServer) -> Any:
    return sagemaker_server.control


def test_names_are_taken_once_whatever_their_case(control: Any) -> None:
    name = make_model(control)
    code, message = refusal(make_model, sagemaker=control, name=name.upper())
    assert (code, message) == (
        "ValidationException",
        f'Cannot create already existing model "{ARN}model/{name}".',
    )


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"ModelName": "m" * 64}, "at 'modelName' failed to satisfy constraint: Member must have length less than"),
        ({"ModelName": "under_score"}, "at 'modelName' failed to satisfy constraint: Member must satisfy regular"),
        (
            {"ModelName": "m", "PrimaryContainer": {"Image": "i", "Mode": "Both"}},
            "Value 'Both' at 'primaryContainer.mode' failed to satisfy constraint: Member must satisfy enum value",
        ),
        (
            {"ModelName": "m", "Tags": [{"Key": "a", "Value": "!"}]},
            "Value '!' at 'tags.1.member.value' failed to satisfy constraint: Member must satisfy regular",
        ),
        (
            {"ModelName": "m", "PrimaryContainer": {"Environment": {"A": "x" * 1025, "B": "x" * 1025}}},
            "2 validation errors detected",
        ),
    ],
)
def test_limits_that_botocore_skips_are_checked(control: Any, parameters: Any, fault: str) -> None:
    code, message = refusal(control.create_model, **parameters)
    assert code == "ValidationException"
    assert fault in message


def test_a_request_of_the_wrong_form_is_refused(sagemaker_server: SageMakerServer) -> None:
    for body in ('{"ModelName": 5}', "{}", "[]", "no json"):
        answer = requests.post(
            sagemaker_server.url, body, headers={"X-Amz-Target": "SageMaker.DescribeModel"}, timeout=5
        )
        assert (answer.status_code, answer.json()["__type"]) == (400, "ValidationException")


def test_an_operation_that_is_not_emulated_says_so(control: Any) -> None:
    code, message = refusal(control.list_transform_jobs)
    assert (code, message) == (
        "UnknownOperationException",
        "The local SageMaker does not emulate ListTransformJobs.",
    )


def test_what_would_be_ignored_is_refused(control: Any) -> None:
    name = make_model(control)
    code, message = refusal(
        control.create_endpoint_config,
        EndpointConfigName=name,
        ProductionVariants=[variant(name)],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://out/"}},
    )
    assert (code, "AsyncInferenceConfig" in message) == ("ValidationException", True)


def test_a_serverless_variant_is_kept_as_it_was_asked_for(control: Any) -> None:
    name = make_model(control)
    serverless = {"MemorySizeInMB": 4096, "MaxConcurrency": 8}
    asked = {"VariantName": "live", "ModelName": name, "ServerlessConfig": serverless}
    control.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[asked])
    (kept,) = control.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
    assert kept["ServerlessConfig"] == serverless


def test_model_data_must_be_there_when_the_model_is_created(control: Any) -> None:
    missing = f"s3://{BUCKET}/not-there.tar.gz"
    code, message = refusal(make_model, sagemaker=control, ModelDataUrl=missing)
    assert (code, message) == ("ValidationException", f"Could not find model data at {missing}.")


def test_an_image_without_an_environment_is_refused(control: Any) -> None:
    code, message = refusal(make_model, sagemaker=control, Image="unheard-of:1")
    assert (code, "no container 'unheard-of'" in message) == ("ValidationException", True)


def test_lists_filter_by_name_and_stay_put_while_resources_come_and_go(control: Any) -> None:
    prefix = unique("page")
    names = [make_model(control, f"{prefix}-{n}") for n in range(4)]
    first = control.list_models(NameContains=prefix, SortBy="Name", SortOrder="Ascending", MaxResults=2)
    control.delete_model(ModelName=names[0])
    rest = control.list_models(
        NameContains=prefix, SortBy="Name", SortOrder="Ascending", MaxResults=2, NextToken=first["NextToken"]
    )
    assert [m["ModelName"] for m in rest["Models"]] == names[2:]
    assert "NextToken" not in rest


def test_lists_filter_by_time(control: Any) -> None:
    name = make_model(control)
    created = control.describe_model(ModelName=name)["CreationTime"]
    for limit, minutes, expected in (
        *(("CreationTimeBefore", 1, [name]), ("CreationTimeBefore", -1, [])),
        *(("CreationTimeAfter", 1, []), ("CreationTimeAfter", -1, [name])),
    ):
        listed = control.list_models(NameContains=name, **{limit: created + timedelta(minutes=minutes)})["Models"]
        assert [model["ModelName"] for model in listed] == expected


def test_a_package_version_is_never_given_twice(control: Any) -> None:
    group = make_group(control)
    register(control, group)
    control.delete_model_package(ModelPackageName=register(control, group))
    assert register(control, group).endswith("/3")


def test_a_repeated_client_token_registers_nothing_new(control: Any) -> None:
    group = make_group(control)
    assert register(control, group, ClientToken="same") == register(control, group, ClientToken="same")


def test_packages_registered_at_once_get_different_versions(control: Any) -> None:
    group = make_group(control)
    with ThreadPoolExecutor(8) as pool:
        arns = list(pool.map(lambda _: register(control, group), range(16)))
    assert sorted(int(arn.rpartition("/")[2]) for arn in arns) == list(range(1, 17))


def test_a_package_waits_for_approval_unless_told_otherwise(control: Any) -> None:
    arn = register(control, make_group(control))
    assert control.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "PendingManualApproval"


def test_metadata_of_a_package_is_merged(control: Any) -> None:
    arn = register(control, make_group(control), CustomerMetadataProperties={"a": "1", "b": "2"})
    control.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"c": "s3://b/k.json"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    package = control.describe_model_package(ModelPackageName=arn)
    assert package["CustomerMetadataProperties"] == {"b": "2", "c": "s3://b/k.json"}


def test_a_group_goes_only_when_it_is_empty(control: Any) -> None:
    group = make_group(control)
    arn = register(control, group)
    assert refusal(control.delete_model_package_group, ModelPackageGroupName=group)[0] == "ConflictException"
    control.delete_model_package(ModelPackageName=arn)
    control.delete_model_package_group(ModelPackageGroupName=group)
    assert refusal(control.describe_model_package_group, ModelPackageGroupName=group)[0] == "ValidationException"


def test_only_an_approved_package_becomes_a_model(control: Any) -> None:
    arn = register(control, make_group(control), InferenceSpecification=ONE_CONTAINER)
    model = {"ModelName": unique("model"), "PrimaryContainer": {"ModelPackageName": arn}}
    code, message = refusal(control.create_model, **model)
    assert (code, message) == ("ValidationException", f"Model package {arn} is not approved for deployment.")
    control.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    assert control.create_model(**model)["ModelArn"].endswith(model["ModelName"])


def test_a_package_of_two_containers_is_refused_as_a_model(control: Any) -> None:
    arn = register(control, make_group(control), ModelApprovalStatus="Approved")
    code, message = refusal(control.create_model, ModelName=unique("model"), PrimaryContainer={"ModelPackageName": arn})
    assert (code, "no inference pipelines" in message) == ("ValidationException", True)


def test_whoever_asked_is_told_of_packages_made_and_changed(tmp_path: Path) -> None:
    store, told = Store(tmp_path / "state.sqlite"), []
    packages = ModelPackages(store, on_change=[lambda p: told.append((p.name, p.document["ModelApprovalStatus"]))])
    ModelPackageGroups(store).create(_call(ModelPackageGroupName="chain"))
    arn = packages.create(_call(ModelPackageGroupName="chain"))["ModelPackageArn"]
    packages.update(_call(ModelPackageArn=arn, ModelApprovalStatus="Approved"))
    assert told == [("chain/1", "PendingManualApproval"), ("chain/1", "Approved")]


@pytest.mark.parametrize(
    "uri",
    [
        "serving",
        "serving:1",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/serving:1",
        f"000000000000.dkr.ecr.us-east-1.amazonaws.com/serving@sha256:{'0' * 64}",
        "localhost:5000/serving",
    ],
)
def test_an_image_is_known_by_its_name(uri: str) -> None:
    assert Images.parse(["serving=/env/bin/python"]).command(uri) == ["/env/bin/python", "-m", "serving"]


def test_a_name_within_a_name_is_another_image() -> None:
    images = Images.parse(["team/serving=/env/bin/python:other.module"])
    assert images.command("registry.example/team/serving:2") == ["/env/bin/python", "-m", "other.module"]
    with pytest.raises(UnknownImage):
        images.command("serving")


def _call(**parameters: Any) -> Call:
    return Call("Some", "us-east-1", parameters)


@pytest.mark.parametrize("path", ["/", "/health", "/endpoints/any/invocations"])
def test_a_web_page_under_its_own_name_gets_no_answer(sagemaker_server: SageMakerServer, path: str) -> None:
    """A name in DNS may be pointed at this machine after the page was loaded."""
    headers = {"Host": "elsewhere.example", "X-Amz-Target": "SageMaker.ListModels"}
    answer = requests.post(f"{sagemaker_server.url}{path}", headers=headers, data="{}", timeout=10)
    assert answer.status_code == 400
    assert "Models" not in answer.text
