"""The training steps: one a stage, on spot instances that may be taken away and then go on from a checkpoint."""

from __future__ import annotations

from phenoloop.settings import StorageSettings, TrainingSettings
from sync.pipeline.expressions import Json, joined, output_of, parameter, run_folder, text
from sync.pipeline.parameters import HYPERPARAMETERS, name_of
from sync.pipeline.policies import CACHED, JOB_RETRIES

VOLUME_GB = 50
MAX_RUNTIME_S, MAX_WAIT_S = 24 * 3600, 48 * 3600
"""SageMaker's own bounds, far beyond `TimeLimitS`; the wait counts in what it takes to get spot instances."""

METRICS = {
    "validation:quality": '"validation": ([0-9.]+)',
    "train:loss": '"loss": ([0-9.]+)',
    "train:samples_per_s": '"samples_per_s": ([0-9.]+)',
    "train:data_share": '"data_share": ([0-9.]+)',
}
"""In the lines of JSON that the training prints, one a round. A tuning job maximises the first."""


def train(stage: str, storage: StorageSettings, training: TrainingSettings) -> Json:
    """`stage`: detector or segmenter."""
    channels = {
        "train": output_of("Preprocess", "train"),
        "validation": output_of("Preprocess", "validation"),
        "live": parameter(f"Live{stage.capitalize()}Url"),
    }
    return {
        "Name": f"Train{stage.capitalize()}",
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {
                "TrainingImage": training.training_image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in METRICS.items()],
            },
            "HyperParameters": _hyperparameters(stage),
            "InputDataConfig": [_channel(name, url) for name, url in channels.items()],
            "OutputDataConfig": {"S3OutputPath": run_folder(storage, "models")},
            "ResourceConfig": {
                "InstanceCount": parameter("TrainingInstanceCount"),
                "InstanceType": parameter("TrainingInstanceType"),
                "VolumeSizeInGB": VOLUME_GB,
            },
            "RoleArn": training.role_arn,
            **({"VpcConfig": training.vpc} if training.vpc else {}),
            "CheckpointConfig": {
                "S3Uri": joined("/", parameter("CheckpointsUrl"), stage),
                "LocalPath": "/opt/ml/checkpoints",
            },
            "TensorBoardOutputConfig": {
                "S3OutputPath": run_folder(storage, "tensorboard"),
                "LocalPath": "/opt/ml/output/tensorboard",
            },
            "EnableManagedSpotTraining": training.spot,
            "StoppingCondition": {
                "MaxRuntimeInSeconds": MAX_RUNTIME_S,
                **({"MaxWaitTimeInSeconds": MAX_WAIT_S} if training.spot else {}),
            },
        },
        "CacheConfig": CACHED,
        "RetryPolicies": JOB_RETRIES,
    }


def _hyperparameters(stage: str) -> Json:
    """All are texts."""
    own = {name: text(parameter(name_of(stage, name))) for name in HYPERPARAMETERS}
    shared = {
        "stages": parameter("Stages"),
        "encoder_weights": parameter("EncoderWeights"),
        "snapshot": parameter("SnapshotUrl"),
        "precision": parameter("Precision"),
        "patience": text(parameter("Patience")),
        "warm_start": parameter("WarmStart"),
        "time_limit_s": text(parameter("TimeLimitS")),
        "seed": text(parameter("Seed")),
    }
    return {"stage": stage, **own, **shared}


def _channel(name: str, url: Json) -> Json:
    source = {"S3DataType": "S3Prefix", "S3Uri": url, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
