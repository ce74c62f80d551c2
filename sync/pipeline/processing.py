"""The processing steps: fetch what a run needs, prepare the photos on several machines, judge the candidate.

Outputs lie beside the run. That leaves step caching alone: its key is what a step is made from, never where to.
"""

from __future__ import annotations

from typing import Any

from phenoloop.settings import StorageSettings, TrainingSettings
from sync.pipeline.expressions import Json, model_of, output_of, parameter, run_folder, text
from sync.pipeline.policies import CACHED, JOB_RETRIES

VOLUME_GB = 50
SHARDED, WHOLE = "ShardedByS3Key", "FullyReplicated"


def fetch(storage: StorageSettings, training: TrainingSettings) -> Json:
    """Of one machine. Snapshots never change, so the same URL is the same data."""
    arguments = [
        *("--snapshot", parameter("SnapshotUrl"), "--test-data", parameter("TestData")),
        *("--side-px", text(parameter("PhotoSidePx")), "--cache", f"s3://{storage.bucket}/{storage.cache_prefix}"),
        *("--broken-share", text(parameter("BrokenShare")), "--parts", text(parameter("ProcessingInstanceCount"))),
    ]
    outputs = {name: run_folder(storage, "fetch", name) for name in ("plan", "labels", "report")}
    return {
        "Name": "Fetch",
        "Type": "Processing",
        "Arguments": _request(training, "training.fetch", arguments, [], outputs),
        "PropertyFiles": [{"PropertyFileName": "Fetch", "OutputName": "report", "FilePath": "fetch.json"}],
        "CacheConfig": CACHED,
        "RetryPolicies": JOB_RETRIES,
    }


def preprocess(storage: StorageSettings, training: TrainingSettings) -> Json:
    """Each machine prepares its parts of the plan; all write under the same places."""
    inputs = [_input("plan", output_of("Fetch", "plan"), SHARDED), _input("labels", output_of("Fetch", "labels"))]
    outputs = {name: run_folder(storage, "preprocess", name) for name in ("train", "validation", "test", "report")}
    arguments = ["--side-px", text(parameter("PhotoSidePx"))]
    return {
        "Name": "Preprocess",
        "Type": "Processing",
        "Arguments": _request(
            training, "training.preprocess", arguments, inputs, outputs, count=parameter("ProcessingInstanceCount")
        ),
        "CacheConfig": CACHED,
        "RetryPolicies": JOB_RETRIES,
    }


def evaluate(storage: StorageSettings, training: TrainingSettings) -> Json:
    """Not cached: it is what a run is for, and its files lie beside the run."""
    archives = {
        "detector": model_of("TrainDetector"),
        "segmenter": model_of("TrainSegmenter"),
        "live-detector": parameter("LiveDetectorUrl"),
        "live-segmenter": parameter("LiveSegmenterUrl"),
    }
    inputs = archives | {
        "live-manifest": parameter("LiveManifestUrl"),
        "test": output_of("Preprocess", "test"),
        "fetch-report": output_of("Fetch", "report"),
        "preprocess-report": output_of("Preprocess", "report"),
    }
    environment = {f"{name.replace('-', '_').upper()}_URL": url for name, url in archives.items()} | {
        "MINIMUM_TEST_PHOTOS": text(parameter("MinimumTestPhotos")),
        "MINIMUM_GAIN": text(parameter("MinimumGain")),
        "REPORT_PHOTOS": text(parameter("ReportPhotos")),
        "RUN": parameter("Run"),
        "SNAPSHOT_URL": parameter("SnapshotUrl"),
    }
    sources = [_input(name, url) for name, url in inputs.items()]
    outputs = {"evaluation": run_folder(storage, "evaluation")}
    return {
        "Name": "Evaluate",
        "Type": "Processing",
        "Arguments": _request(training, "training.evaluate", [], sources, outputs) | {"Environment": environment},
        "PropertyFiles": [
            {"PropertyFileName": "Evaluation", "OutputName": "evaluation", "FilePath": "evaluation.json"},
        ],
        "RetryPolicies": JOB_RETRIES,
    }


def _request(
    training: TrainingSettings, module: str, arguments: list[Any], inputs: list[Json], outputs: Json, *, count: Any = 1
) -> Json:
    """Of a job that runs `module` of the training image."""
    return {
        "AppSpecification": {
            "ImageUri": training.training_image,
            "ContainerEntrypoint": ["python3", "-m", module],
            **({"ContainerArguments": arguments} if arguments else {}),
        },
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": [_output(name, url) for name, url in outputs.items()]},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": count,
                "InstanceType": parameter("ProcessingInstanceType"),
                "VolumeSizeInGB": VOLUME_GB,
            }
        },
        "RoleArn": training.role_arn,
        **({"NetworkConfig": {"VpcConfig": training.vpc}} if training.vpc else {}),
    }


def _input(name: str, url: Any, distribution: str = WHOLE) -> Json:
    source = {
        "S3Uri": url,
        "LocalPath": f"/opt/ml/processing/input/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": distribution,
    }
    return {"InputName": name, "S3Input": source}


def _output(name: str, url: Any) -> Json:
    target = {"S3Uri": url, "LocalPath": f"/opt/ml/processing/output/{name}", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": target}
