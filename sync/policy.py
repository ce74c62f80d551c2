"""When corrections are worth a run."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from phenoloop.settings import RetrainingSettings


@dataclass(frozen=True, slots=True)
class Pending:
    """What changed since the snapshot of the last run."""

    count: int
    """Annotations saved, changed or deleted."""
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decision:
    due: bool
    reason: str
    """For people: why a run starts, or what it waits for."""
    wait_s: float | None = None
    """Time alone makes it due then; None if something else has to happen first."""


def decide(pending: Pending, runs_today: int, settings: RetrainingSettings, now: datetime) -> Decision:
    """Enough changes, and then either quiet or the longest wait; within the day's budget."""
    if pending.count < settings.minimum_changes:
        return Decision(due=False, reason=f"{pending.count} of {settings.minimum_changes} changed annotations")
    if runs_today >= settings.runs_a_day:
        return Decision(due=False, reason=f"the day's {settings.runs_a_day} runs are used up")
    quiet_in_s = _seconds_until(pending.last_at, settings.quiet_s, now)
    waited_in_s = _seconds_until(pending.first_at, settings.longest_wait_s, now)
    wait_s = min(quiet_in_s, waited_in_s)
    if wait_s > 0:
        reason = f"{pending.count} changed annotations; starts after {settings.quiet_s:g} s without another"
        return Decision(due=False, reason=reason, wait_s=wait_s)
    what = "quiet" if quiet_in_s <= 0 else "waited long enough"
    return Decision(due=True, reason=f"{pending.count} changed annotations, {what}", wait_s=0.0)


def nothing_to_learn(pending: Pending) -> Decision:
    """Whatever changed, a model can't be trained on any of what is there."""
    return Decision(due=False, reason=f"{pending.count} changed annotations; nothing to learn from yet")


def _seconds_until(since: datetime | None, length_s: float, now: datetime) -> float:
    """At most the whole length: a clock ahead of ours must not put a run off for longer."""
    if since is None:
        return 0.0
    return min((since + timedelta(seconds=length_s) - now).total_seconds(), length_s)
