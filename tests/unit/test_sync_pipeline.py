"""The pipeline's definition is one that SageMaker takes, and says what the loop needs of it."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phenoloop.errors import SettingsInvalid
from phenoloop.local_aws.sagemaker.errors import ValidationException
from phenoloop.local_aws.sagemaker.pipelines.definition import Definition, parsed
from phenoloop.local_aws.sagemaker.pipelines.expressions import PropertyFile, Reference, resolved
from phenoloop.local_aws.sagemaker.shapes import Shapes
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.pipeline.definition import definition
from sync.pipeline.parameters import GIVEN, HYPERPARAMETERS, Value, checked, defaults, parameters

REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
PLACE = "s3://phenoloop/somewhere"
STORAGE = StorageSettings(bucket="phenoloop")
TRAINING = TrainingSettings(
    role_arn="arn:aws:iam::000000000000:role/phenoloop-sagemaker",
    training_image=f"{REGISTRY}/phenoloop-training:0123456789ab",
    serving_image=f"{REGISTRY}/phenoloop-serving:1",
)
OPERATIONS = {
    "Fetch": "CreateProcessingJob",
    "Preprocess": "CreateProcessingJob",
    "TrainDetector": "CreateTrainingJob",
    "TrainSegmenter": "CreateTrainingJob",
    "Evaluate": "CreateProcessingJob",
    "Register": "CreateModelPackage",
    "RegisterForReview": "CreateModelPackage",
}
JOB_NAMES = {"CreateProcessingJob": "ProcessingJobName", "CreateTrainingJob": "TrainingJobName"}
SMALLEST: dict[str, Value] = {
    "ProcessingInstanceCount": 1,
    "TrainingInstanceCount": 1,
    "ProcessingInstanceType": "ml.t3.medium",
    "TrainingInstanceType": "ml.m4.xlarge",
}
LARGEST: dict[str, Value] = {
    "ProcessingInstanceCount": 100,
    "TrainingInstanceCount": 100,
    "ProcessingInstanceType": "ml.r8i-flex.16xlarge",
    "TrainingInstanceType": "ml.p6e-gb200.36xlarge",
    "EncoderWeights": f"file:s3://{'b' * 63}/{'k' * 900}",
    "TestData": f"s3://{'b' * 63}/snapshots/{'0' * 64}.json",
    "Run": "0123456789ab-99",
    "SnapshotUrl": f"s3://{'b' * 63}/snapshots/{'0' * 64}.json",
    "LiveManifestUrl": f"s3://{'b' * 63}/runs/0123456789ab-99/live/{'r' * 64}/manifest.json",
}
"""Texts as long as ours become; the others are as long as SageMaker lets parameters be."""


class Values:
    """Every reference has the value given; a place in S3 stands for what no parameter says."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = {**dict.fromkeys(GIVEN, PLACE), **defaults(), **values}

    def value(self, reference: Reference) -> Any:
        if isinstance(reference, PropertyFile):
            return {"detector_url": PLACE, "segmenter_url": PLACE}
        return self._values.get(getattr(reference, "name", ""), PLACE)


def request(pipeline: Definition, step: str, **values: Value) -> dict[str, Any]:
    """What the step asks of SageMaker."""
    name = JOB_NAMES.get(OPERATIONS[step])
    return resolved(pipeline.step(step).own_arguments, Values(values)) | ({name: "pipelines-x"} if name else {})


@pytest.fixture(scope="module")
def pipeline() -> Definition:
    return parsed(json.dumps(definition(STORAGE, TRAINING)))


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    return Shapes()


def test_every_step_that_asks_something_of_sagemaker_is_checked(pipeline: Definition) -> None:
    assert {step.name for step in pipeline.steps} - OPERATIONS.keys() == {"IsBetter", "IsDoubtful"}


@pytest.mark.parametrize("values", [{}, SMALLEST, LARGEST], ids=["defaults", "smallest", "largest"])
@pytest.mark.parametrize("step", OPERATIONS)
def test_each_steps_request_is_one_that_sagemakers_own_model_allows(
    pipeline: Definition, shapes: Shapes, step: str, values: dict[str, Value]
) -> None:
    shapes.check_request(OPERATIONS[step], request(pipeline, step, **values))


def test_jobs_run_in_the_vpc_that_the_settings_name(shapes: Shapes) -> None:
    network = {"subnet_ids": "subnet-a1,subnet-b2", "security_group_ids": "sg-c3"}
    pipeline = parsed(json.dumps(definition(STORAGE, TRAINING.model_copy(update=network))))
    for step, operation in OPERATIONS.items():
        asked = request(pipeline, step)
        shapes.check_request(operation, asked)
        if operation in JOB_NAMES:
            vpc = asked.get("NetworkConfig", asked)["VpcConfig"]
            assert vpc == {"Subnets": ["subnet-a1", "subnet-b2"], "SecurityGroupIds": ["sg-c3"]}


@pytest.mark.parametrize("choice", [name for name, known in parameters().items() if known.choices])
def test_each_choice_is_one_that_sagemakers_own_model_allows(pipeline: Definition, shapes: Shapes, choice: str) -> None:
    for value in parameters()[choice].choices:
        for step, operation in OPERATIONS.items():
            shapes.check_request(operation, request(pipeline, step, **{choice: value}))


def deep(values: Any, path: str, value: Any) -> dict[str, Any]:
    """A copy in which `path` leads to `value`."""
    found = copy.deepcopy(values)
    *places, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = found
    for part in places:
        place = place[part]
    place[last] = value
    return dict(found)


BROKEN = [
    ("Fetch", "ProcessingResources.ClusterConfig.InstanceCount", 0, "min|greater than or equal to 1"),
    ("Fetch", "ProcessingResources.ClusterConfig.InstanceCount", 101, "less than or equal to 100"),
    ("Fetch", "AppSpecification.ContainerArguments", [], "min|greater than or equal to 1"),
    ("Fetch", "AppSpecification.ContainerArguments.1", "s" * 257, "less than or equal to 256"),
    ("Fetch", "RoleArn", "arn:aws:iam::1:role/short-account", "regular expression"),
    ("Preprocess", "ProcessingInputs.0.S3Input.S3DataDistributionType", "Sharded", "enum"),
    ("Preprocess", "ProcessingOutputConfig.Outputs.0.S3Output.S3Uri", "file:///here", "regular expression"),
    ("TrainDetector", "StoppingCondition.MaxWaitTimeInSeconds", 0, "min|greater than or equal to 1"),
    ("TrainDetector", "HyperParameters", {str(n): "" for n in range(101)}, "less than or equal to 100"),
    ("TrainSegmenter", "HyperParameters.encoder", "e" * 2501, "less than or equal to 2500"),
    ("TrainSegmenter", "CheckpointConfig.S3Uri", "checkpoints", "regular expression"),
    ("TrainSegmenter", "ResourceConfig.InstanceType", "ml.pocket.calculator", "enum"),
    ("TrainDetector", "AlgorithmSpecification.MetricDefinitions.0.Regex", "x" * 501, "less than or equal to 500"),
    ("Evaluate", "Environment.RUN", "r" * 257, "less than or equal to 256"),
    ("Evaluate", "ProcessingInputs.0.S3Input.S3InputMode", "Floppy", "enum"),
    ("Register", "CustomerMetadataProperties", {}, "greater than or equal to 1"),
    ("Register", "CustomerMetadataProperties.run", "a;b", "regular expression"),
    ("RegisterForReview", "ModelApprovalStatus", "Maybe", "enum"),
]


@pytest.mark.parametrize(("step", "path", "value", "fault"), BROKEN, ids=[f"{b[0]} {b[1]}" for b in BROKEN])
def test_a_bound_a_pattern_or_a_choice_that_is_broken_deep_inside_is_found(
    pipeline: Definition, shapes: Shapes, step: str, path: str, value: Any, fault: str
) -> None:
    with pytest.raises(ValidationException, match=fault):
        shapes.check_request(OPERATIONS[step], deep(request(pipeline, step), path, value))


def test_the_data_is_fetched_once_and_prepared_on_as_many_machines_as_asked_for(pipeline: Definition) -> None:
    asked = request(pipeline, "Fetch", ProcessingInstanceCount=7)
    words = asked["AppSpecification"]["ContainerArguments"]
    assert words[words.index("--parts") + 1] == "7"
    assert asked["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1
    asked = request(pipeline, "Preprocess", ProcessingInstanceCount=7)
    assert asked["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 7
    plan, labels = (item["S3Input"] for item in asked["ProcessingInputs"])
    assert (plan["S3DataDistributionType"], labels["S3DataDistributionType"]) == ("ShardedByS3Key", "FullyReplicated")


def test_the_models_train_side_by_side_after_preprocessing(pipeline: Definition) -> None:
    assert pipeline.step("TrainDetector").after == pipeline.step("TrainSegmenter").after == {"Preprocess"}


def test_the_candidate_is_judged_when_both_models_are_there(pipeline: Definition) -> None:
    assert pipeline.step("Evaluate").after == {"Fetch", "Preprocess", "TrainDetector", "TrainSegmenter"}


def test_only_a_chain_that_is_better_is_registered_as_approved(pipeline: Definition) -> None:
    assert pipeline.step("Register").branch == ("IsBetter", True)
    assert pipeline.step("RegisterForReview").branch == ("IsDoubtful", True)
    assert pipeline.step("RegisterForReview").arguments["ModelApprovalStatus"] == "PendingManualApproval"


def test_a_registered_chain_knows_its_run_its_snapshot_and_its_report(pipeline: Definition) -> None:
    asked = request(pipeline, "Register", Run="a")
    report = "s3://phenoloop/runs/a/evaluation/report.html"
    assert asked["CustomerMetadataProperties"].keys() == {"manifest", "snapshot", "run", "report", "model_card"}
    assert asked["CustomerMetadataProperties"]["report"] == report
    assert asked["ModelMetrics"]["Explainability"]["Report"]["S3Uri"] == report


def test_what_a_run_is_made_from_is_looked_up_and_what_it_is_for_is_not(pipeline: Definition) -> None:
    cached = {step.name for step in pipeline.steps if step.cache_config and step.cache_config.enabled}
    assert cached == {"Fetch", "Preprocess", "TrainDetector", "TrainSegmenter"}


@pytest.mark.parametrize("step", OPERATIONS)
def test_each_step_survives_a_fault_of_sagemaker(pipeline: Definition, step: str) -> None:
    assert pipeline.step(step).retry_policies


@pytest.mark.parametrize("stage", ["Detector", "Segmenter"])
def test_a_training_is_told_everything_as_text(pipeline: Definition, stage: str) -> None:
    values = {f"{stage}LearningRate": 0.001, "Stages": stage.lower(), "Patience": 3}
    told = request(pipeline, f"Train{stage}", **values)["HyperParameters"]
    assert told.keys() >= {*HYPERPARAMETERS, "stages", "encoder_weights", "augmentation", "precision", "warm_start"}
    assert (told["stage"], told["learning_rate"], told["patience"]) == (stage.lower(), "0.001", "3")
    assert all(isinstance(value, str) for value in told.values())


def test_attempts_at_a_run_share_their_checkpoints_and_stages_do_not(pipeline: Definition) -> None:
    places = [
        request(pipeline, f"Train{stage}", Run=run, CheckpointsUrl=PLACE)["CheckpointConfig"]["S3Uri"]
        for run in ("a", "a-2")
        for stage in ("Detector", "Segmenter")
    ]
    assert places == [f"{PLACE}/detector", f"{PLACE}/segmenter"] * 2


def test_without_spot_instances_nothing_is_waited_for() -> None:
    plain = parsed(json.dumps(definition(STORAGE, TRAINING.model_copy(update={"spot": False}))))
    asked = request(plain, "TrainDetector")
    assert asked["EnableManagedSpotTraining"] is False
    assert "MaxWaitTimeInSeconds" not in asked["StoppingCondition"]


def test_values_come_in_their_types() -> None:
    given: dict[str, Value] = {
        "DetectorEpochs": "20",
        "MinimumGain": "0.5",
        "DetectorLearningRate": 1,
        "Stages": "both",
    }
    assert checked(given) == {"DetectorEpochs": 20, "MinimumGain": 0.5, "DetectorLearningRate": 1.0, "Stages": "both"}


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ({"DetectorEpoch": "3"}, "DetectorEpochs"),
        ({"instancetype": "ml.m5.large"}, "TrainingInstanceType"),
        ({"Run": "x"}, "Every run gets its own"),
        ({"Seed": "many"}, "of type Integer"),
        ({"Seed": 1.5}, "of type Integer"),
        ({"MinimumGain": "much"}, "of type Float"),
        ({"Stages": "none"}, "both, auto, detector, segmenter"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_be_right(given: dict[str, Value], cure: str) -> None:
    with pytest.raises(SettingsInvalid, match=cure):
        checked(given)


@pytest.mark.parametrize("text", ["detector: {}", "- no mapping", "a: [", ""])
def test_defaults_that_make_no_sense_are_refused_by_the_files_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "training.yaml"
    file.write_text(text)
    with pytest.raises(SettingsInvalid, match=r"training\.yaml"):
        parameters(file)
