"""Contacts that are made again and again in the background, so that whoever asks how they are never waits."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from phenoloop.errors import PhenoloopError

T = TypeVar("T")

EVERY_S = 5.0
STALE_S = 30.0
"""An answer older than this tells nothing of now."""


class Check(Generic[T]):
    """One contact. `ask` raises a PhenoloopError if it fails; a call that hangs shows by the age of the last answer."""

    def __init__(self, name: str, ask: Callable[[], T], *, every_s: float = EVERY_S, stale_s: float = STALE_S) -> None:
        self._name, self._ask, self._every_s, self._stale_s = name, ask, every_s, stale_s
        self._asked_at_s = self._answered_at_s = time.monotonic()
        self._problem = ""
        self.answer: T | None = None
        """The last one; None before the first."""

    def start(self) -> "Check[T]":
        threading.Thread(target=self._keep_asking, name=f"check-{self._name}", daemon=True).start()
        return self

    def once(self) -> None:
        try:
            self.answer = self._ask()
        except PhenoloopError as error:
            self._problem = error.message
        else:
            self._problem, self._answered_at_s = "", time.monotonic()

    @property
    def problem(self) -> str:
        """One sentence; empty if all is well."""
        silent_s = time.monotonic() - self._answered_at_s
        if self._problem:
            return f"{self._name}: {self._problem}"
        return f"{self._name} has not answered for {silent_s:.0f} s." if silent_s > self._stale_s else ""

    def _keep_asking(self) -> None:
        while True:
            self.once()
            time.sleep(self._every_s)
