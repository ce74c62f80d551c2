"""What the pages show: looked for side by side, kept for a few seconds; what fails says so in its own place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import structlog

from phenoloop.errors import PhenoloopError

KEEP_S = 5.0
PATIENCE_S = 8.0
"""Someone waits for the page."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What a look found, or why it found nothing."""

    value: Any = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    at_s: float
    answer: Future[Any]


class Panels:
    """One look of a name at a time, however many ask for it."""

    def __init__(
        self, looks: Mapping[str, Callable[[], object]], *, keep_s: float = KEEP_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._looks, self._keep_s, self._patience_s = looks, keep_s, patience_s
        self._threads = ThreadPoolExecutor(len(looks), thread_name_prefix="console")
        self._asked: dict[str, _Asked] = {}
        self._lock = threading.Lock()

    def seen(self, *names: str) -> dict[str, Panel]:
        """By name, all if none is given, after `patience_s` at most."""
        with self._lock:
            answers = {name: self._answer(name) for name in names or self._looks}
        wait(answers.values(), timeout=self._patience_s)
        return {name: _panel(name, answer) for name, answer in answers.items()}

    def forget(self) -> None:
        """Look again at everything: somebody changed something."""
        with self._lock:
            self._asked.clear()

    def _answer(self, name: str) -> Future[Any]:
        asked, now_s = self._asked.get(name), time.monotonic()
        if asked is None or (asked.answer.done() and now_s - asked.at_s > self._keep_s):
            asked = self._asked[name] = _Asked(now_s, self._threads.submit(self._looks[name]))
        return asked.answer


def _panel(name: str, answer: Future[Any]) -> Panel:
    if not answer.done():
        return Panel(problem="This takes longer than usual. Load the page again in a moment.")
    error = answer.exception()
    if error is None:
        return Panel(answer.result())
    if isinstance(error, PhenoloopError):
        return Panel(problem=str(error))
    structlog.get_logger().error("panel failed on a bug", panel=name, exc_info=error)
    return Panel(problem="Something went wrong here; sync's log says what.")
