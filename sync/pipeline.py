"""The training pipeline's definition: what SageMaker runs for one snapshot.

Preprocess -> train detector and segmenter side by side -> evaluate the candidate and the live chain on the same photos
-> better: register; doubtful, such as too few photos to tell: register for a person to decide; else: leave it.
Format: "Amazon SageMaker AI Pipeline Definition JSON Schema", version 2020-12-01.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from phenoloop.settings import StorageSettings, TrainingSettings
from sync.registry import PENDING, ensure_group

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient

Json = dict[str, Any]

GIVEN = ("Run", "SnapshotUrl", "LiveDetectorUrl", "LiveSegmenterUrl", "LiveManifestUrl")
"""Parameters that every execution is given; the others have defaults."""

DEFAULTS: dict[str, str | int | float] = {
    "InstanceType": "ml.m5.xlarge",
    "TrainingInstanceType": "ml.g5.xlarge",
    "PhotoSidePx": 1600,
    "DetectorEncoder": "tf_efficientnet_lite0",
    "SegmenterEncoder": "tf_efficientnet_lite0",
    "EncoderWeights": "package",
    "TimeLimitS": 3600,
    "Seed": 1,
    "MinimumTestPhotos": 5,
    "MinimumGain": 0.0,
    "Approval": "Approved",
}
"""`MinimumTestPhotos`: with objects, photos of one group counting once. `MinimumGain`: what the lower end of the gain's
95 % interval must exceed. `Approval`: of a chain that is better; `PendingManualApproval` leaves it to a person."""


def definition(storage: StorageSettings, training: TrainingSettings) -> Json:
    """The whole pipeline as SageMaker reads it."""
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [
            *({"Name": name, "Type": "String"} for name in GIVEN),
            *({"Name": name, "Type": _type(value), "DefaultValue": value} for name, value in DEFAULTS.items()),
        ],
        "Steps": [
            _preprocess(storage, training),
            _train("Detector", storage, training),
            _train("Segmenter", storage, training),
            _evaluate(storage, training),
            _if_verdict(
                "better", "IsBetter", _register("Register", storage, training, approval=_parameter("Approval"))
            ),
            _if_verdict("doubtful", "IsDoubtful", _register("RegisterForReview", storage, training, approval=PENDING)),
        ],
    }


def upsert(sagemaker: SageMakerClient, storage: StorageSettings, training: TrainingSettings) -> None:
    """Create the pipeline, or update it if its definition changed. Raises botocore's errors."""
    body, name = json.dumps(definition(storage, training), sort_keys=True), training.pipeline
    ensure_group(sagemaker, training.package_group)
    known = _known(sagemaker, name)
    if known is None:
        token = hashlib.sha256(body.encode()).hexdigest()
        sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=body, ClientRequestToken=token, RoleArn=training.role_arn
        )
    elif known != body:
        sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=body, RoleArn=training.role_arn)


def _known(sagemaker: SageMakerClient, name: str) -> str | None:
    """The definition that SageMaker has; None if there is no such pipeline."""
    try:
        return sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"ResourceNotFound", "ValidationException"}:
            return None
        raise


def _preprocess(storage: StorageSettings, training: TrainingSettings) -> Json:
    arguments = ["--snapshot", _parameter("SnapshotUrl"), "--side-px", _text(_parameter("PhotoSidePx"))]
    outputs = {name: _run_folder(storage, name) for name in ("train", "validation", "test", "report")}
    return {
        "Name": "Preprocess",
        "Type": "Processing",
        "Arguments": _processing(training, "training.preprocess", arguments, {}, outputs),
        "PropertyFiles": [
            {"PropertyFileName": "Report", "OutputName": "report", "FilePath": "preprocess.json"},
        ],
    }


def _train(stage: str, storage: StorageSettings, training: TrainingSettings) -> Json:
    hyperparameters = {
        "stage": stage.lower(),
        "encoder": _parameter(f"{stage}Encoder"),
        "encoder_weights": _parameter("EncoderWeights"),
        "time_limit_s": _text(_parameter("TimeLimitS")),
        "seed": _text(_parameter("Seed")),
    }
    channels = {
        "train": _output_of("Preprocess", "train"),
        "validation": _output_of("Preprocess", "validation"),
        "live": _parameter(f"Live{stage}Url"),
    }
    return {
        "Name": f"Train{stage}",
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {"TrainingImage": training.training_image, "TrainingInputMode": "File"},
            "HyperParameters": hyperparameters,
            "InputDataConfig": [
                {
                    "ChannelName": name,
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": url,
                            "S3DataDistributionType": "FullyReplicated",
                        }
                    },
                }
                for name, url in channels.items()
            ],
            "OutputDataConfig": {"S3OutputPath": _run_folder(storage, "models")},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": _parameter("TrainingInstanceType"),
                "VolumeSizeInGB": 50,
            },
            "RoleArn": training.role_arn,
            "StoppingCondition": {"MaxRuntimeInSeconds": 24 * 3600},
        },
    }


def _evaluate(storage: StorageSettings, training: TrainingSettings) -> Json:
    archives = {
        "detector": {"Get": "Steps.TrainDetector.ModelArtifacts.S3ModelArtifacts"},
        "segmenter": {"Get": "Steps.TrainSegmenter.ModelArtifacts.S3ModelArtifacts"},
        "live-detector": _parameter("LiveDetectorUrl"),
        "live-segmenter": _parameter("LiveSegmenterUrl"),
    }
    inputs = archives | {
        "test": _output_of("Preprocess", "test"),
        "live-manifest": _parameter("LiveManifestUrl"),
    }
    arguments = _processing(
        training, "training.evaluate", [], inputs, {"evaluation": _run_folder(storage, "evaluation")}
    )
    bounds = {
        "MINIMUM_TEST_PHOTOS": _text(_parameter("MinimumTestPhotos")),
        "MINIMUM_GAIN": _text(_parameter("MinimumGain")),
    }
    urls = {f"{name.replace('-', '_').upper()}_URL": url for name, url in archives.items()}
    return {
        "Name": "Evaluate",
        "Type": "Processing",
        "Arguments": arguments | {"Environment": urls | bounds},
        "PropertyFiles": [
            {"PropertyFileName": "Evaluation", "OutputName": "evaluation", "FilePath": "evaluation.json"},
        ],
    }


def _if_verdict(verdict: str, name: str, then: Json) -> Json:
    """The evaluation weighs figures, intervals and doubts, and says so in one word."""
    condition = {"Type": "Equals", "LeftValue": _evaluation("verdict"), "RightValue": verdict}
    return {
        "Name": name,
        "Type": "Condition",
        "Arguments": {"Conditions": [condition], "IfSteps": [then], "ElseSteps": []},
    }


def _register(name: str, storage: StorageSettings, training: TrainingSettings, *, approval: Any) -> Json:
    evaluation = _run_folder(storage, "evaluation")
    return {
        "Name": name,
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": training.package_group,
            "ModelPackageDescription": {"Std:Join": {"On": " ", "Values": ["Run", _parameter("Run")]}},
            "InferenceSpecification": {
                "Containers": [
                    {
                        "ContainerHostname": role,
                        "Image": training.serving_image,
                        "ModelDataUrl": _evaluation(f"{role}_url"),
                    }
                    for role in ("detector", "segmenter")
                ],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {
                        "ContentType": "application/json",
                        "S3Uri": _joined("/", evaluation, "evaluation.json"),
                    }
                }
            },
            "CustomerMetadataProperties": {
                "manifest": _joined("/", evaluation, "manifest.json"),
                "snapshot": _parameter("SnapshotUrl"),
                "run": _parameter("Run"),
            },
            "ModelApprovalStatus": approval,
        },
    }


def _processing(training: TrainingSettings, module: str, arguments: list[Any], inputs: Json, outputs: Json) -> Json:
    """Arguments of a processing step that runs `module` of the training image."""
    request: Json = {
        "AppSpecification": {
            "ImageUri": training.training_image,
            "ContainerEntrypoint": ["python3", "-m", module],
            **({"ContainerArguments": arguments} if arguments else {}),
        },
        "ProcessingInputs": [
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": url,
                    "LocalPath": f"/opt/ml/processing/input/{name}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for name, url in inputs.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": name,
                    "S3Output": {
                        "S3Uri": url,
                        "LocalPath": f"/opt/ml/processing/output/{name}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for name, url in outputs.items()
            ]
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": _parameter("InstanceType"),
                "VolumeSizeInGB": 50,
            }
        },
        "RoleArn": training.role_arn,
    }
    return request


def _parameter(name: str) -> Json:
    return {"Get": f"Parameters.{name}"}


def _output_of(step: str, output: str) -> Json:
    return {"Get": f"Steps.{step}.ProcessingOutputConfig.Outputs['{output}'].S3Output.S3Uri"}


def _evaluation(path: str) -> Json:
    return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Evaluation"}, "Path": path}}


def _run_folder(storage: StorageSettings, folder: str) -> Json:
    return _joined("/", f"s3://{storage.bucket}/{storage.runs_prefix.rstrip('/')}", _parameter("Run"), folder)


def _text(value: Json) -> Json:
    """Hyperparameters and arguments are texts."""
    return _joined("", value)


def _joined(on: str, *values: Any) -> Json:
    return {"Std:Join": {"On": on, "Values": list(values)}}


def _type(value: str | float) -> str:
    return {str: "String", int: "Integer", float: "Float"}[type(value)]
