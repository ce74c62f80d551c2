"""The local SageMaker's control plane, held against moto's where moto behaves as AWS does."""

from typing import Any

import pytest

from tests.contract.sagemaker_server import IMAGE, ROLE, SageMakerServer, client, variant
from tests.contract.sagemaker_steps import TWO_CONTAINERS, make_group, make_model, refusal, register

pytest_plugins = ("tests.contract.sagemaker_fixtures",)
ARN = "arn:aws:sagemaker:us-east-1:"


@pytest.fixture(params=["ours", "moto"])
def sagemaker(request: pytest.FixtureRequest, sagemaker_server: SageMakerServer, moto_url: str) -> Any:
    return sagemaker_server.control if request.param == "ours" else client("sagemaker", moto_url)


def test_a_model_is_described_as_it_was_created(sagemaker: Any) -> None:
    name = make_model(sagemaker, Environment={"A": "1"})
    model = sagemaker.describe_model(ModelName=name)
    assert model["ModelName"] == name
    assert model["ModelArn"].startswith(ARN)
    assert model["ModelArn"].endswith(f":model/{name}")
    assert model["ExecutionRoleArn"] == ROLE
    assert model["PrimaryContainer"]["Image"] == IMAGE
    assert model["PrimaryContainer"]["Environment"] == {"A": "1"}
    assert model["CreationTime"].tzinfo is not None


def test_a_deleted_model_is_not_found(sagemaker: Any) -> None:
    name = make_model(sagemaker)
    sagemaker.delete_model(ModelName=name)
    for call in (sagemaker.describe_model, sagemaker.delete_model):
        code, message = refusal(call, ModelName=name)
        assert code == "ValidationException"
        assert message.startswith("Could not find model")


def test_models_are_listed(sagemaker: Any) -> None:
    name = make_model(sagemaker)
    models = [m for page in sagemaker.get_paginator("list_models").paginate() for m in page["Models"]]
    assert [m["ModelArn"].rpartition("/")[2] for m in models if m["ModelName"] == name] == [name]


def test_an_endpoint_configuration_is_described_as_it_was_created(sagemaker: Any) -> None:
    name = make_model(sagemaker)
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])
    config = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert config["EndpointConfigArn"].endswith(f":endpoint-config/{name}")
    assert config["ProductionVariants"][0].items() >= variant(name).items()


def test_an_endpoint_configuration_needs_its_models(sagemaker: Any) -> None:
    variants = [variant("not-there")]
    refused = refusal(sagemaker.create_endpoint_config, EndpointConfigName="c", ProductionVariants=variants)
    assert refused[0] == "ValidationException"
    assert refused[1].startswith("Could not find model")


def test_a_deleted_endpoint_configuration_is_not_found(sagemaker: Any) -> None:
    name = make_model(sagemaker)
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    for call in (sagemaker.describe_endpoint_config, sagemaker.delete_endpoint_config):
        code, message = refusal(call, EndpointConfigName=name)
        assert code == "ValidationException"
        assert message.startswith("Could not find endpoint configuration")


def test_an_endpoint_comes_into_service_and_goes(sagemaker: Any) -> None:
    name = make_model(sagemaker)
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])
    arn = sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)["EndpointArn"]
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})
    endpoint = sagemaker.describe_endpoint(EndpointName=name)
    assert endpoint["EndpointArn"] == arn
    assert endpoint["EndpointConfigName"] == name
    assert [v["VariantName"] for v in endpoint["ProductionVariants"]] == ["live"]
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 1})
    code, message = refusal(sagemaker.describe_endpoint, EndpointName=name)
    assert code == "ValidationException"
    assert message.startswith("Could not find endpoint")


def test_an_endpoint_needs_its_configuration(sagemaker: Any) -> None:
    code, message = refusal(sagemaker.create_endpoint, EndpointName="e", EndpointConfigName="not-there")
    assert code == "ValidationException"
    assert message.startswith("Could not find endpoint configuration")


def test_a_group_is_described_as_it_was_created(sagemaker: Any) -> None:
    name = make_group(sagemaker)
    group = sagemaker.describe_model_package_group(ModelPackageGroupName=name)
    assert group["ModelPackageGroupArn"].endswith(f":model-package-group/{name}")
    assert group["ModelPackageGroupDescription"] == "Möhren, 2 models"


def test_a_missing_group_does_not_exist(sagemaker: Any) -> None:
    code, message = refusal(sagemaker.describe_model_package_group, ModelPackageGroupName="not-there")
    assert code == "ValidationException"
    assert message.endswith("model-package-group/not-there does not exist.")


def test_packages_of_a_group_are_numbered_from_one(sagemaker: Any) -> None:
    group = make_group(sagemaker)
    arns = [register(sagemaker, group) for _ in range(3)]
    assert [arn.partition(":model-package/")[2] for arn in arns] == [f"{group}/{n}" for n in (1, 2, 3)]
    package = sagemaker.describe_model_package(ModelPackageName=arns[1])
    assert package["ModelPackageVersion"] == 2
    assert package["ModelPackageGroupName"] == group
    assert package["InferenceSpecification"]["Containers"] == TWO_CONTAINERS["Containers"]
    assert package["ModelPackageStatus"] == "Completed"


def test_a_package_is_not_registered_without_its_group(sagemaker: Any) -> None:
    parameters = {"ModelPackageGroupName": "not-there", "InferenceSpecification": TWO_CONTAINERS}
    code, message = refusal(sagemaker.create_model_package, **parameters)
    assert code == "ValidationException"
    assert "does not exist" in message


def test_approval_of_a_package_is_kept_with_its_reason(sagemaker: Any) -> None:
    arn = register(sagemaker, make_group(sagemaker), ModelApprovalStatus="PendingManualApproval")
    for status in ("Approved", "Rejected", "Approved"):
        sagemaker.update_model_package(
            ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription=f"now {status}"
        )
        package = sagemaker.describe_model_package(ModelPackageName=arn)
        assert (package["ModelApprovalStatus"], package["ApprovalDescription"]) == (status, f"now {status}")


def test_packages_are_listed_by_group_and_approval_in_order_of_creation(sagemaker: Any) -> None:
    group = make_group(sagemaker)
    arns = [register(sagemaker, group, ModelApprovalStatus=s) for s in ("Approved", "Rejected", "Approved")]
    everything = sagemaker.list_model_packages(ModelPackageGroupName=group)
    assert [p["ModelPackageArn"] for p in everything["ModelPackageSummaryList"]] == arns
    approved = sagemaker.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    assert [p["ModelPackageArn"] for p in approved["ModelPackageSummaryList"]] == [arns[0], arns[2]]


def test_lists_come_in_pages(sagemaker: Any) -> None:
    group = make_group(sagemaker)
    arns = [register(sagemaker, group) for _ in range(5)]
    paginator = sagemaker.get_paginator("list_model_packages")
    pages = list(
        paginator.paginate(ModelPackageGroupName=group, SortOrder="Descending", PaginationConfig={"PageSize": 2})
    )
    assert [len(page["ModelPackageSummaryList"]) for page in pages] == [2, 2, 1]
    listed = [p["ModelPackageArn"] for page in pages for p in page["ModelPackageSummaryList"]]
    assert listed == arns[::-1]


def test_without_a_group_only_unversioned_packages_are_listed(sagemaker: Any) -> None:
    register(sagemaker, make_group(sagemaker))
    assert sagemaker.list_model_packages()["ModelPackageSummaryList"] == []


def test_tags_are_added_listed_and_deleted(sagemaker: Any) -> None:
    arn = sagemaker.describe_model(ModelName=make_model(sagemaker))["ModelArn"]
    tags = [{"Key": "crop", "Value": "Möhre"}, {"Key": "by", "Value": "phenoloop"}]
    sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["crop"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags[1:]
