"""CloudWatch's embedded metric format: one line of a log becomes metrics, without a call.

Specification: AWS, "CloudWatch Logs: Embedded metric format specification".
"""

import time
from collections.abc import Mapping

NAMESPACE = "Phenoloop"
UNITS = {
    "Invocations": "Count",
    "ModelErrors": "Count",
    "LatencyMs": "Milliseconds",
    "Objects": "Count",
    "Score": "None",
    "InputDrift": "None",
    "OutputDrift": "None",
    "DriftAlarm": "Count",
}


def with_metrics(
    endpoint: str, role: str, metrics: Mapping[str, float], properties: Mapping[str, object]
) -> dict[str, object]:
    """The line, to be written as JSON. `metrics`: by their names in `UNITS`; `properties`: for searches, at no cost."""
    described = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Endpoint", "Role"]],
        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in metrics],
    }
    about = {"Timestamp": round(1000 * time.time()), "CloudWatchMetrics": [described]}
    return {"_aws": about, "Endpoint": endpoint, "Role": role, **metrics, **properties}
