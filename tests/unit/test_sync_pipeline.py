"""The pipeline's definition is one that SageMaker takes, and says what the loop needs of it."""

import json
from typing import Any

import pytest

from phenoloop.local_aws.sagemaker.pipelines.definition import Definition, parsed
from phenoloop.local_aws.sagemaker.pipelines.expressions import PropertyFile, Reference, resolved
from phenoloop.local_aws.sagemaker.shapes import Shapes
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.pipeline import DEFAULTS, GIVEN, definition

REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
PLACE = "s3://phenoloop/somewhere"
STORAGE = StorageSettings(bucket="phenoloop")
TRAINING = TrainingSettings(
    role_arn="arn:aws:iam::000000000000:role/phenoloop-sagemaker",
    training_image=f"{REGISTRY}/phenoloop-training:0123456789ab",
    serving_image=f"{REGISTRY}/phenoloop-serving:1",
)
OPERATIONS = {
    "Preprocess": "CreateProcessingJob",
    "TrainDetector": "CreateTrainingJob",
    "TrainSegmenter": "CreateTrainingJob",
    "Evaluate": "CreateProcessingJob",
    "Register": "CreateModelPackage",
    "RegisterForReview": "CreateModelPackage",
}


class Placeholders:
    """Every parameter has its default, every other value is a place in S3."""

    def value(self, reference: Reference) -> Any:
        if isinstance(reference, PropertyFile):
            return {"detector_url": PLACE, "segmenter_url": PLACE}
        values = dict.fromkeys(GIVEN, PLACE) | DEFAULTS
        return values.get(getattr(reference, "name", ""), PLACE)


@pytest.fixture(scope="module")
def pipeline() -> Definition:
    return parsed(json.dumps(definition(STORAGE, TRAINING)))


@pytest.mark.parametrize(("name", "operation"), OPERATIONS.items())
def test_each_steps_request_is_one_that_sagemakers_own_model_allows(
    pipeline: Definition, name: str, operation: str
) -> None:
    arguments = resolved(pipeline.step(name).own_arguments, Placeholders())
    jobs_name = {"CreateProcessingJob": "ProcessingJobName", "CreateTrainingJob": "TrainingJobName"}.get(operation)
    Shapes().check_request(operation, arguments | ({jobs_name: "pipelines-x"} if jobs_name else {}))


def test_the_models_train_side_by_side_after_preprocessing(pipeline: Definition) -> None:
    assert pipeline.step("TrainDetector").after == pipeline.step("TrainSegmenter").after == {"Preprocess"}


def test_the_candidate_is_judged_when_both_models_are_there(pipeline: Definition) -> None:
    assert pipeline.step("Evaluate").after == {"Preprocess", "TrainDetector", "TrainSegmenter"}


def test_only_a_chain_that_is_better_is_registered_as_approved(pipeline: Definition) -> None:
    assert pipeline.step("Register").branch == ("IsBetter", True)
    assert pipeline.step("RegisterForReview").branch == ("IsDoubtful", True)
    assert pipeline.step("RegisterForReview").arguments["ModelApprovalStatus"] == "PendingManualApproval"


def test_a_registered_chain_knows_its_run_and_its_snapshot(pipeline: Definition) -> None:
    metadata = pipeline.step("Register").arguments["CustomerMetadataProperties"]
    assert metadata.keys() == {"manifest", "snapshot", "run"}
