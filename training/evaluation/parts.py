"""The parts of an evaluation: what each costs, and why one that the verdict can do without is missing."""

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from training.job import failure_reason

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Parts:
    seconds: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Part -> why there is none."""

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started_s = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - started_s

    def optional(self, name: str, make: Callable[[], Made]) -> Made | None:
        """What `make` returns; None if it fails, with the reason in `missing` and all of it in the log."""
        try:
            with self.timed(name):
                return make()
        except Exception as error:  # noqa: BLE001  # nothing that only explains a verdict may cost it
            traceback.print_exc()
            self.missing[name] = failure_reason(error).partition("\n")[0]
            return None
