"""What was asked of the stack: how often, how it ended, how long it took."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import requests

from phenoloop.errors import PhenoloopError

T = TypeVar("T")

REASONS = 5
"""Of each kind, the most frequent ones are told."""


class Wrong(PhenoloopError):
    """The stack answered, but not what it should."""


@dataclass(frozen=True, slots=True)
class Answered:
    """All requests of one kind."""

    requests: int
    failures: int
    p50_s: float
    p99_s: float
    slowest_s: float
    reasons: dict[str, int]
    """Of the failures, with their counts."""


class Traffic:
    """Counts from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._reasons: dict[str, Counter[str]] = defaultdict(Counter)

    def ask(self, kind: str, call: Callable[[], T]) -> T | None:
        """What `call` answers; None if it fails in a way that a caller of the stack can meet."""
        started_s, reason = time.monotonic(), ""
        try:
            return call()
        except (PhenoloopError, requests.RequestException) as error:
            reason = f"{type(error).__name__}: {error}"[:200]
            return None
        finally:
            with self._lock:
                self._seconds[kind].append(time.monotonic() - started_s)
                self._reasons[kind].update([reason] if reason else [])

    def answered(self) -> dict[str, Answered]:
        """By kind."""
        with self._lock:
            return {kind: _answered(seconds, self._reasons[kind]) for kind, seconds in sorted(self._seconds.items())}


def _answered(seconds: list[float], reasons: Counter[str]) -> Answered:
    p50, p99 = np.percentile(seconds, [50, 99]).tolist()
    return Answered(len(seconds), reasons.total(), p50, p99, max(seconds), dict(reasons.most_common(REASONS)))
