"""What SageMaker is asked for: a search of ours, which is one training job, or a tuning job of its own."""

from __future__ import annotations

from collections.abc import Mapping

from phenoloop.settings import StorageSettings
from sync.pipeline.expressions import Json
from sync.pipeline.training import METRICS
from sync.tuning.wanted import Wanted

SEARCH_PROGRAM = ["python3", "-m", "training.search"]
SEARCH_METRICS = {
    "search:best": '"best": ([0-9.]+)',
    "search:validation": '"validation": ([0-9.]+)',
}
"""In the line that the search prints after each trial."""
OBJECTIVE = "validation:quality"
FINISHING_S = 1800
"""For the last trial's end and the test photos, after the search's own time."""
SPOT_WAIT_S = 24 * 3600


def search_job(search: Wanted, job_name: str, storage: StorageSettings, image: str) -> Json:
    """Arguments of CreateTrainingJob."""
    folder = search_url(storage, search.name)
    test = {"S3DataType": "S3Prefix", "S3Uri": search.base.test_url, "S3DataDistributionType": "FullyReplicated"}
    return {
        "TrainingJobName": job_name,
        "AlgorithmSpecification": _algorithm(image, SEARCH_METRICS) | {"ContainerEntrypoint": SEARCH_PROGRAM},
        "HyperParameters": search.hyperparameters,
        "InputDataConfig": [
            *search.base.channels("train", "validation"),
            {"ChannelName": "test", "DataSource": {"S3DataSource": test}},
        ],
        "OutputDataConfig": {"S3OutputPath": f"{folder}/models"},
        "CheckpointConfig": {"S3Uri": f"{folder}/checkpoints", "LocalPath": "/opt/ml/checkpoints"},
        "TensorBoardOutputConfig": {"S3OutputPath": f"{folder}/tensorboard", "LocalPath": "/opt/ml/output/tensorboard"},
        **_machine(search),
    }


def tuning_job(search: Wanted, job_name: str, storage: StorageSettings, image: str) -> Json:
    """Arguments of CreateHyperParameterTuningJob: the same space, each trial a job on a machine of its own.

    Without checkpoints, which all its jobs would share.
    """
    effort = search.effort
    return {
        "HyperParameterTuningJobName": job_name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": OBJECTIVE},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": effort.trials,
                "MaxParallelTrainingJobs": effort.parallel,
                "MaxRuntimeInSeconds": effort.time_limit_s + FINISHING_S,
            },
            "ParameterRanges": search.ranges,
            "TrainingJobEarlyStoppingType": "Auto",
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": _algorithm(image, METRICS),
            "StaticHyperParameters": search.fixed,
            "InputDataConfig": search.base.channels("train", "validation"),
            "OutputDataConfig": {"S3OutputPath": f"{search_url(storage, search.name)}/models"},
            **_machine(search),
        },
    }


def search_url(storage: StorageSettings, name: str) -> str:
    return f"s3://{storage.bucket}/{storage.runs_prefix}{search_folder(name)}"


def search_folder(name: str) -> str:
    """Relative to the runs' prefix."""
    return f"searches/{name}"


def _algorithm(image: str, metrics: Mapping[str, str]) -> Json:
    return {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in metrics.items()],
    }


def _machine(search: Wanted) -> Json:
    """One, as the run had it, in the same network."""
    base, resources = search.base, search.base.job["ResourceConfig"]
    limit_s = search.effort.time_limit_s + FINISHING_S
    return {
        "RoleArn": base.job["RoleArn"],
        **({"VpcConfig": base.job["VpcConfig"]} if base.job.get("VpcConfig") else {}),
        "ResourceConfig": {
            "InstanceCount": 1,
            "InstanceType": search.effort.instance_type or resources["InstanceType"],
            "VolumeSizeInGB": resources["VolumeSizeInGB"],
        },
        "EnableManagedSpotTraining": base.is_spot,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": limit_s,
            **({"MaxWaitTimeInSeconds": limit_s + SPOT_WAIT_S} if base.is_spot else {}),
        },
    }
