"""What stands in a definition for values that only an execution knows."""

from typing import Any

from phenoloop.settings import StorageSettings

Json = dict[str, Any]


def parameter(name: str) -> Json:
    return {"Get": f"Parameters.{name}"}


def output_of(step: str, output: str) -> Json:
    """The place in S3 of a processing step's output: of an earlier execution's, if the step did not have to run."""
    return {"Get": f"Steps.{step}.ProcessingOutputConfig.Outputs['{output}'].S3Output.S3Uri"}


def model_of(step: str) -> Json:
    return {"Get": f"Steps.{step}.ModelArtifacts.S3ModelArtifacts"}


def evaluated(path: str) -> Json:
    """Of `evaluation.json`."""
    return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Evaluation"}, "Path": path}}


def run_folder(storage: StorageSettings, *folders: str) -> Json:
    """`s3://BUCKET/runs/RUN/...`."""
    return joined("/", f"s3://{storage.bucket}/{storage.runs_prefix.rstrip('/')}", parameter("Run"), *folders)


def text(value: Json) -> Json:
    """Hyperparameters and arguments are texts."""
    return joined("", value)


def joined(on: str, *values: Any) -> Json:
    return {"Std:Join": {"On": on, "Values": list(values)}}
