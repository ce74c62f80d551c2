"""Metrics of a training job: what its MetricDefinitions find in what the container printed.

https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

import re
from pathlib import Path
from typing import Any

from phenoloop.local_aws.sagemaker.errors import ValidationException


def check_metrics(algorithm: dict[str, Any]) -> None:
    """Raises ValidationException."""
    for metric in algorithm.get("MetricDefinitions", []):
        try:
            groups = re.compile(metric["Regex"]).groups
        except re.error as error:
            raise ValidationException(f"The Regex of metric {metric['Name']} is none: {error}.") from error
        if groups < 1:
            raise ValidationException(f"The Regex of metric {metric['Name']} has no group for the value.")


def final_metrics(request: dict[str, Any], log: Path) -> dict[str, float]:
    """By name, the last value that the log holds of each."""
    metrics = request.get("AlgorithmSpecification", {}).get("MetricDefinitions", [])
    patterns = [(metric["Name"], re.compile(metric["Regex"])) for metric in metrics]
    found: dict[str, float] = {}
    if patterns and log.is_file():
        with log.open(errors="replace") as lines:
            for line in lines:
                found |= {name: value for name, pattern in patterns if (value := _value(pattern, line)) is not None}
    return found


def _value(pattern: re.Pattern[str], line: str) -> float | None:
    match = pattern.search(line)
    try:
        return float(match[1]) if match else None
    except ValueError:  # matched, but no number: SageMaker passes over it, too
        return None
