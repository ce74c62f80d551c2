"""Values as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sync.console.releases import Figure

STATES = {"PendingManualApproval": "waits", "INSUFFICIENT_DATA": "no data", "ALARM": "alarm"}


def moment(at: datetime | None) -> str:
    """In UTC, to the minute."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if at else "-"


def duration(seconds: float | None) -> str:
    """In its two largest units."""
    if seconds is None:
        return "-"
    whole = max(round(seconds), 0)
    for unit, length, below, shorter in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            return f"{whole // length} {unit} {whole % length // shorter} {below}"
    return f"{whole} s"


def share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def figure(value: Figure | None) -> str:
    return "-" if value is None else f"{value.value:.3f}"


def interval(value: Figure | None) -> str:
    """Of 95 %; empty without one."""
    if value is None or value.low is None or value.high is None:
        return ""
    return f"{value.low:.3f} to {value.high:.3f}"


def measure(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "-"


def facts(values: Mapping[str, Any]) -> str:
    """Each as `name: value`; what is not there or no is left out."""
    told = {name.replace("_", " "): value for name, value in values.items() if value not in (None, "", False)}
    return ", ".join(name if value is True else f"{name}: {_short(value)}" for name, value in told.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def state(of: str) -> str:
    """A state of SageMaker's, CloudWatch's or the registry's, in plain words."""
    return STATES.get(of, of) or "unknown"


def tone(of: str) -> str:
    """The colour in which the same state is shown."""
    if of in {"Succeeded", "Approved", "OK", "live"}:
        return "good"
    if of in {"Failed", "Rejected", "ALARM", "Stopped", "refused", "rolled back"}:
        return "bad"
    busy = {"Executing", "Starting", "Requested", "Stopping", "PendingManualApproval", "under way"}
    return "busy" if of in busy else "plain"


FILTERS = {f.__name__: f for f in (moment, duration, share, figure, interval, measure, facts, state, tone)}
