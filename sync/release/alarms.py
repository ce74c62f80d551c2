"""CloudWatch alarms on what the containers tell of themselves: errors, latency, drift, of each endpoint of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import CloudWatchUnavailable
from phenoloop.settings import ReleaseSettings

NAMESPACE = "Phenoloop"
GRAVE = ("errors", "latency")
"""Kinds that end a rollout; drift says that the photos or the answers changed, which people judge."""
KINDS = (*GRAVE, "drift")
PERIOD_S = 60


@dataclass(frozen=True, slots=True)
class Alarms:
    """Every method raises CloudWatchUnavailable."""

    cloudwatch: Any
    """boto3's client."""
    settings: ReleaseSettings

    def ensure(self, endpoint: str, role: str) -> None:
        """Two minutes of three; a minute without calls is a good one."""
        kept = {
            "EvaluationPeriods": 3,
            "DatapointsToAlarm": 2,
            "TreatMissingData": "notBreaching",
            "ActionsEnabled": False,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        dimensions = [{"Name": "Endpoint", "Value": endpoint}, {"Name": "Role", "Value": role}]
        with _cloudwatch_errors(endpoint):
            self.cloudwatch.put_metric_alarm(
                **kept,
                AlarmName=_name(endpoint, "errors"),
                AlarmDescription="Percent of calls that the container failed on (5xx).",
                Threshold=self.settings.alarm_error_percent,
                Metrics=[
                    _sum("failed", "ModelErrors", dimensions),
                    _sum("calls", "Invocations", dimensions),
                    {"Id": "percent", "Expression": "100 * failed / calls", "ReturnData": True},
                ],
            )
            self.cloudwatch.put_metric_alarm(
                **kept,
                **_metric("LatencyMs", dimensions),
                AlarmName=_name(endpoint, "latency"),
                AlarmDescription="90th percentile of the container's time for a call, in ms.",
                Threshold=self.settings.alarm_latency_ms,
                ExtendedStatistic="p90",
                Period=PERIOD_S,
            )
            self.cloudwatch.put_metric_alarm(
                **kept,
                **_metric("DriftAlarm", dimensions),
                AlarmName=_name(endpoint, "drift"),
                AlarmDescription="Photos or answers are no longer what the model was trained on.",
                Threshold=0,
                Statistic="Maximum",
                Period=PERIOD_S,
            )

    def ringing(self, endpoints: Iterable[str], kinds: Iterable[str] = GRAVE) -> dict[str, str]:
        """Alarm -> why, of those that are in alarm now."""
        names = [_name(endpoint, kind) for endpoint in endpoints for kind in kinds]
        if not names:
            return {}
        with _cloudwatch_errors(", ".join(names)):
            alarms = self.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
            return {a["AlarmName"]: a.get("StateReason", "") for a in alarms if a["StateValue"] == "ALARM"}

    def remove(self, endpoint: str) -> None:
        for kind in KINDS:
            with _cloudwatch_errors(endpoint), suppress(self.cloudwatch.exceptions.ResourceNotFound):
                self.cloudwatch.delete_alarms(AlarmNames=[_name(endpoint, kind)])


def _name(endpoint: str, kind: str) -> str:
    return f"phenoloop-{endpoint}-{kind}"


def _metric(name: str, dimensions: list[dict[str, str]]) -> dict[str, Any]:
    return {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}


def _sum(id_: str, name: str, dimensions: list[dict[str, str]]) -> dict[str, Any]:
    stat = {"Metric": _metric(name, dimensions), "Period": PERIOD_S, "Stat": "Sum"}
    return {"Id": id_, "MetricStat": stat, "ReturnData": False}


@contextmanager
def _cloudwatch_errors(about: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise CloudWatchUnavailable(
            "CloudWatch failed, throttled or refused us.",
            cure="May our role put, describe and delete alarms of the name phenoloop-*?",
            code=error.response.get("Error", {}).get("Code"),
            about=about,
        ) from error
    except (BotoCoreError, KeyError) as error:
        raise CloudWatchUnavailable("CloudWatch can't be reached.", reason=type(error).__name__, about=about) from error
