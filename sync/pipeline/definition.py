"""The training pipeline's definition: what SageMaker runs for one snapshot.

Fetch -> preprocess in parts -> train detector and segmenter side by side -> evaluate the candidate and the live chain
on the same photos -> better: register; doubtful, such as too few photos to tell: register for a person to decide;
else: leave it.
Format: "Amazon SageMaker AI Pipeline Definition JSON Schema", version 2020-12-01.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from phenoloop.settings import StorageSettings, TrainingSettings
from sync.pipeline.expressions import Json
from sync.pipeline.parameters import GIVEN, parameters
from sync.pipeline.processing import evaluate, fetch, preprocess
from sync.pipeline.registering import if_better, if_doubtful
from sync.pipeline.training import train
from sync.registry import ensure_group

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient


def definition(storage: StorageSettings, training: TrainingSettings) -> Json:
    """The whole pipeline as SageMaker reads it. Raises SettingsInvalid."""
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [
            *({"Name": name, "Type": "String"} for name in GIVEN),
            *(parameter.declared() for parameter in parameters().values()),
        ],
        "Steps": [
            fetch(storage, training),
            preprocess(storage, training),
            train("detector", storage, training),
            train("segmenter", storage, training),
            evaluate(storage, training),
            if_better(storage, training),
            if_doubtful(storage, training),
        ],
    }


def upsert(sagemaker: SageMakerClient, storage: StorageSettings, training: TrainingSettings) -> str:
    """Create the pipeline, or update it if its definition changed; whether it is created, updated or unchanged.

    Raises SettingsInvalid and botocore's errors.
    """
    body, name = json.dumps(definition(storage, training), sort_keys=True), training.pipeline
    ensure_group(sagemaker, training.package_group)
    known = _known(sagemaker, name)
    if known is None:
        token = hashlib.sha256(body.encode()).hexdigest()
        sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=body, ClientRequestToken=token, RoleArn=training.role_arn
        )
        return "created"
    if known == body:
        return "unchanged"
    sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=body, RoleArn=training.role_arn)
    return "updated"


def _known(sagemaker: SageMakerClient, name: str) -> str | None:
    """The definition that SageMaker has; None if there is no such pipeline."""
    try:
        return sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"ResourceNotFound", "ValidationException"}:
            return None
        raise
