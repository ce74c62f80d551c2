"""The steps of a proof: each happens in time or fails with a reason, and all are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from phenoloop.errors import PhenoloopError

T = TypeVar("T")

LOOK_EVERY_S = 0.5
TELL_EVERY_S = 10.0


class StepFailed(PhenoloopError):
    """A step of the proof did not happen, or not as it should."""


class Steps:
    """What is done, in order, with its seconds, named for what is true afterwards.

    `tell` hears of every step that is done, `tell_now` of what is being done or waited for.
    """

    def __init__(
        self,
        tell: Callable[[str], None],
        tell_now: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tell, self._tell_now, self._clock, self._pause = tell, tell_now, clock, pause
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step. Whatever of ours fails in it is that step's failure: raises StepFailed."""
        self._tell_now(name)
        started_s = self._clock()
        try:
            yield
        except StepFailed:
            raise
        except PhenoloopError as error:
            raise StepFailed(f"{name}: {error.message}", cure=error.cure, **error.facts) from error
        finally:
            self.seconds[name] = self._clock() - started_s
        self._tell(f"{name} ({self.seconds[name]:.1f} s)")

    def wait(
        self,
        name: str,
        look: Callable[[], T | None],
        *,
        timeout_s: float,
        meanwhile: Callable[[], str] = str,
    ) -> T:
        """A step that waits until `look` finds something. `meanwhile` says what there is to see until then.

        Raises StepFailed if it takes longer than `timeout_s`.
        """
        with self.step(name):
            started_s = told_s = self._clock()
            while True:
                found = look()
                if found:
                    return found
                now_s = self._clock()
                if now_s - started_s > timeout_s:
                    raise StepFailed(f"{name}: it did not happen.", waited_s=round(timeout_s), last_seen=meanwhile())
                if now_s - told_s > TELL_EVERY_S:
                    seen, told_s = meanwhile(), now_s
                    self._tell_now(f"{name} ({now_s - started_s:.0f} s{', ' if seen else ''}{seen})")
                self._pause(LOOK_EVERY_S)
