"""Checks and how they are run: each bounded in time, none in the way of another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from phenoloop.doctor.words import reason_and_cure

TIMEOUT_S = 20.0
BECAUSE = "first cure: "


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, or will, but not as it should."""
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw."""

    state: State
    found: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """`look` answers with a finding; whatever it raises is a failure."""

    name: str
    look: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    """Checks without whose success this one makes no sense."""
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Line:
    """A check with its finding."""

    name: str
    finding: Finding

    @property
    def passed(self) -> bool:
        return self.finding.state in {State.OK, State.WARN}


def ok(found: str) -> Finding:
    return Finding(State.OK, found)


def warn(found: str, cure: str) -> Finding:
    return Finding(State.WARN, found, cure)


def failed(found: str, cure: str) -> Finding:
    return Finding(State.FAILED, found, cure)


def not_checked(found: str, cure: str = "") -> Finding:
    return Finding(State.NOT_CHECKED, found, cure)


def examine(checks: Sequence[Check]) -> list[Line]:
    """Run all checks, side by side as far as none needs another; the lines in the checks' order."""
    lines: dict[str, Line] = {}
    while len(lines) < len(checks):
        ready = [c for c in checks if c.name not in lines and all(need in lines for need in c.needs)]
        if not ready:
            raise AssertionError("checks need each other in a circle, or one that is not there")
        lines |= {line.name: line for line in _run(ready, lines)}
    return [lines[check.name] for check in checks]


@dataclass(slots=True)
class _Run:
    """One check in its own thread. A daemon: one that hangs keeps nobody waiting, not even at the end."""

    check: Check
    finding: Finding | None = None
    started_s: float = field(default_factory=time.monotonic)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._look, name=self.check.name, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        try:
            self.finding = self.check.look()
        except Exception as error:  # noqa: BLE001  # one check's trouble, even a bug, never hides the others
            self.finding = failed(*reason_and_cure(error))

    def result(self) -> Finding:
        self.thread.join(max(0.0, self.started_s + self.check.timeout_s - time.monotonic()))
        hangs = failed(f"no answer within {self.check.timeout_s:.0f} s", "Is it overloaded, or does a firewall drop?")
        return self.finding or hangs


def _run(checks: Sequence[Check], before: Mapping[str, Line]) -> list[Line]:
    blocked = {c.name: before[need] for c in checks for need in reversed(c.needs) if not before[need].passed}
    runs = [_Run(check) for check in checks if check.name not in blocked]
    stopped = [Line(name, not_checked(_root(line))) for name, line in blocked.items()]
    return [*stopped, *(Line(run.check.name, run.result()) for run in runs)]


def _root(blocking: Line) -> str:
    """Which check to look at first: the one that failed, however many lie in between."""
    inherited = blocking.finding.state is State.NOT_CHECKED and blocking.finding.found.startswith(BECAUSE)
    return blocking.finding.found if inherited else f"{BECAUSE}{blocking.name}"
