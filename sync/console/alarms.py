"""CloudWatch's alarms on the endpoints: errors, latency, and how far photos and answers have drifted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import CloudWatchUnavailable

PREFIX = "phenoloop-"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Of one endpoint: `phenoloop-ENDPOINT-WHAT`."""

    name: str
    state: str
    """CloudWatch's: OK, ALARM, INSUFFICIENT_DATA."""
    reason: str
    since: datetime | None

    @property
    def endpoint(self) -> str:
        """Its name as far as names differ."""
        return self.name.removeprefix(PREFIX).removeprefix(PREFIX).rpartition("-")[0]

    @property
    def about(self) -> str:
        return self.name.rpartition("-")[2]


def alarms(cloudwatch: Any) -> list[Alarm]:
    """Those that ring first. Raises CloudWatchUnavailable."""
    try:
        pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=PREFIX)
        told = [alarm for page in pages for alarm in page.get("MetricAlarms", [])]
    except (ClientError, BotoCoreError) as error:
        raise CloudWatchUnavailable("CloudWatch does not tell its alarms.", cure="Is CloudWatch reachable?") from error
    found = [
        Alarm(
            name=str(alarm["AlarmName"]),
            state=str(alarm["StateValue"]),
            reason=str(alarm.get("StateReason", "")),
            since=alarm.get("StateUpdatedTimestamp"),
        )
        for alarm in told
    ]
    return sorted(found, key=lambda alarm: (alarm.state != "ALARM", alarm.name))
