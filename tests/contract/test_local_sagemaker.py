"""The local SageMaker's control plane, held against moto's where moto behaves as AWS does."""

from typing import Any

import pytest

from tests.contract.sagemaker_jobs import processing, training
from tests.contract.sagemaker_pipelines import create, definition, processing_step
from tests.contract.sagemaker_server import BUCKET, IMAGE, ROLE, SageMakerServer, client, unique, variant
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


def test_a_training_job_is_described_as_it_was_created(sagemaker: Any) -> None:
    name, request = unique("train"), training()
    arn = sagemaker.create_training_job(TrainingJobName=name, **request)["TrainingJobArn"]
    assert arn.endswith(f":training-job/{name}")
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
    job = sagemaker.describe_training_job(TrainingJobName=name)
    assert job["HyperParameters"] == request["HyperParameters"]
    assert job["TrainingJobStatus"] == "Completed"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/artifacts/{name}/output/model.tar.gz"
    assert name in [j["TrainingJobName"] for j in sagemaker.list_training_jobs()["TrainingJobSummaries"]]


def test_a_processing_job_is_described_as_it_was_created(sagemaker: Any) -> None:
    name, request = unique("process"), processing()
    arn = sagemaker.create_processing_job(ProcessingJobName=name, **request)["ProcessingJobArn"]
    assert arn.endswith(f":processing-job/{name}")
    sagemaker.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name, WaiterConfig={"Delay": 1})
    job = sagemaker.describe_processing_job(ProcessingJobName=name)
    assert job["AppSpecification"] == request["AppSpecification"]
    assert job["ProcessingJobStatus"] == "Completed"


def test_missing_jobs_are_not_found(sagemaker: Any) -> None:
    for call, member in (
        (sagemaker.describe_training_job, "TrainingJobName"),
        (sagemaker.describe_processing_job, "ProcessingJobName"),
    ):
        code, message = refusal(call, **{member: "not-there"})
        assert code == "ValidationException"
        assert message.startswith("Could not find")


def test_a_pipeline_is_described_as_it_was_created_and_updated(sagemaker: Any) -> None:
    text, later = definition(processing_step("One")), definition(processing_step("Two"))
    name = create(sagemaker, text)
    assert sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"] == text
    sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=later, PipelineDescription="Möhren")
    pipeline = sagemaker.describe_pipeline(PipelineName=name)
    assert pipeline["PipelineArn"].endswith(f":pipeline/{name}")
    assert (pipeline["PipelineDefinition"], pipeline["PipelineDescription"]) == (later, "Möhren")
    assert (pipeline["RoleArn"], pipeline["PipelineStatus"]) == (ROLE, "Active")


def test_the_name_of_a_pipeline_is_taken_once(sagemaker: Any) -> None:
    text = definition(processing_step("One"))
    name = create(sagemaker, text)
    parameters = {"PipelineName": name, "PipelineDefinition": text, "RoleArn": ROLE}
    code, message = refusal(sagemaker.create_pipeline, **parameters)
    assert (code, "already exists" in message) == ("ValidationException", True)


def test_pipelines_are_listed_by_prefix_and_deleted(sagemaker: Any) -> None:
    name = create(sagemaker, definition(processing_step("One")))
    listed = sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"]
    assert [pipeline["PipelineName"] for pipeline in listed] == [name]
    sagemaker.delete_pipeline(PipelineName=name)
    assert sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"] == []


def test_an_execution_is_described_as_it_was_started(sagemaker: Any) -> None:
    text = definition(processing_step("One"), Side=64)
    name = create(sagemaker, text)
    arn = sagemaker.start_pipeline_execution(
        PipelineName=name,
        PipelineExecutionDisplayName="run-7",
        PipelineParameters=[{"Name": "Side", "Value": "32"}],
    )["PipelineExecutionArn"]
    assert arn.startswith(f"{ARN}")
    assert f":pipeline/{name}/execution/" in arn
    execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert execution["PipelineExecutionDisplayName"] == "run-7"
    assert execution["PipelineArn"].endswith(f":pipeline/{name}")
    parameters = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    assert parameters == [{"Name": "Side", "Value": "32"}]
    kept = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert kept["PipelineDefinition"] == text
    listed = sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]
    assert [item["PipelineExecutionArn"] for item in listed] == [arn]
