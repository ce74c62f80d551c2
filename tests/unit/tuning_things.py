"""A run's training as SageMaker describes it, and a search of it."""

from typing import Any

from phenoloop.settings import StorageSettings
from sync.tuning.space import read_space
from sync.tuning.wanted import Effort, RunTraining, Wanted, wanted

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/phenoloop-training:1"
STORAGE = StorageSettings(bucket="loop")
HYPERPARAMETERS = {
    "stage": "detector",
    "stages": "detector",
    "encoder": "tf_efficientnet_lite0",
    "encoder_weights": "package",
    "optimizer": "adamw",
    "learning_rate": "0.005",
    "weight_decay": "0.01",
    "batch_size": "4",
    "epochs": "60",
    "side_px": "384",
    "augmentation": "rich",
    "warm_start": "true",
    "time_limit_s": "3600",
    "seed": "1",
}


def channel(name: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://loop/runs/a/preprocess/{name}"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def run_training(stage: str = "detector", *, spot: bool = True, **hyperparameters: str) -> RunTraining:
    job = {
        "TrainingJobName": "pipelines-a",
        "AlgorithmSpecification": {"TrainingImage": "phenoloop-training:older", "TrainingInputMode": "File"},
        "HyperParameters": {**HYPERPARAMETERS, "stage": stage, **hyperparameters, "_added": "by SageMaker"},
        "InputDataConfig": [channel("train"), channel("validation"), channel("live")],
        "ResourceConfig": {"InstanceCount": 4, "InstanceType": "ml.g5.xlarge", "VolumeSizeInGB": 50},
        "RoleArn": "arn:aws:iam::000000000000:role/phenoloop-sagemaker",
        "EnableManagedSpotTraining": spot,
    }
    return RunTraining("0123456789ab", "5" * 64, stage, job, "s3://loop/runs/a/preprocess/test")


def search(base: RunTraining | None = None, effort: Effort | None = None, **more: Any) -> Wanted:
    base = base or run_training()
    return wanted(base, read_space(base.stage), effort or Effort(30, 1, 14_400), **more)
