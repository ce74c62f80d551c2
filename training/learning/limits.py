"""What ends a training before its last step: its time, and whoever stops it."""

import signal
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """On time.monotonic's clock."""

    started_s: float
    limit_s: float

    def left_s(self) -> float:
        return self.started_s + self.limit_s - time.monotonic()


@dataclass(slots=True)
class Stop:
    """Set by SIGTERM, which SageMaker sends two minutes before it kills."""

    asked: bool = False

    @classmethod
    def on_sigterm(cls) -> "Stop":
        stop = cls()
        signal.signal(signal.SIGTERM, lambda *_: setattr(stop, "asked", True))
        return stop


class Clock:
    """Of a course that processes one after the other may have worked on."""

    def __init__(self, deadline: Deadline, used_s: float) -> None:
        """`used_s`: by those before."""
        self._deadline = Deadline(deadline.started_s - used_s, deadline.limit_s)
        self._begun_s = time.monotonic() - used_s
        self._budget_s = used_s + max(self._deadline.left_s(), 1.0)

    def used_s(self) -> float:
        return time.monotonic() - self._begun_s

    def left_s(self) -> float:
        return self._deadline.left_s()

    def share(self, kept_s: float) -> float:
        """Of the time, `kept_s` being left for what comes after the last step."""
        return self.used_s() / max(self._budget_s - kept_s, 1.0)
