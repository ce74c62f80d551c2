"""A circuit breaker: an endpoint that fails again and again is left alone for a while, which callers hear at once."""

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from phenoloop.errors import CircuitOpen, EndpointUnavailable, TimeOver

POINTS = 10
"""What failures in a row must have cost to open the circuit."""
SLOW_S, SLOW_POINTS = 5.0, 5
"""A failure costs one point; one that kept its caller waiting so long costs more."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
"""Open so long, doubled after each probe that fails."""


class Breaker:
    """Of one endpoint; safe to use from many threads.

    Only failures that may pass count, of an endpoint that answered nobody else meanwhile: one that refuses a request is
    there, and one that swallows every third still helps the others. Once the pause is over a single call
    goes through as a probe; if it does well, all may call again.
    """

    def __init__(self, endpoint: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint, self._clock = endpoint, clock
        self._lock = threading.Lock()
        self._points = self._failures = 0
        self._problem = ""
        self._answered_at_s = -math.inf
        self._open_until_s: float | None = None
        self._pause_s = FIRST_PAUSE_S
        self._is_probing = False

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around one call. Raises CircuitOpen instead of making it."""
        is_probe, started_s = self._admitted(), self._clock()
        try:
            yield
        except EndpointUnavailable as error:
            self._failed(error.message, started_s, is_probe=is_probe)
            raise
        except TimeOver:  # the caller's time, which tells nothing of the endpoint
            raise
        except Exception:
            self._answered()
            raise
        else:
            self._answered()
        finally:
            if is_probe:
                self._is_probing = False

    def trouble(self) -> str:
        """One sentence while calls are not let through; else empty."""
        with self._lock:
            return self._sentence() if self._is_open() else ""

    def _admitted(self) -> bool:
        """Whether the call is a probe. Raises CircuitOpen."""
        with self._lock:
            if self._is_open():
                message = "The endpoint failed so often that it is not called for a while."
                raise CircuitOpen(message, cure=self._sentence(), endpoint=self._endpoint)
            self._is_probing = self._open_until_s is not None
            return self._is_probing

    def _is_open(self) -> bool:
        return self._open_until_s is not None and (self._is_probing or self._clock() < self._open_until_s)

    def _sentence(self) -> str:
        again_in_s = max((self._open_until_s or 0.0) - self._clock(), 0.0)
        when = "is tried again just now" if self._is_probing else f"is tried again in {again_in_s:.0f} s"
        return f"It failed {self._failures} times in a row, last: {self._problem} It {when}."

    def _answered(self) -> None:
        with self._lock:
            self._answered_at_s = self._clock()
            self._points = self._failures = 0
            self._open_until_s, self._pause_s = None, FIRST_PAUSE_S

    def _failed(self, problem: str, started_s: float, *, is_probe: bool) -> None:
        with self._lock:
            if self._answered_at_s > started_s:
                return
            self._points += SLOW_POINTS if self._clock() - started_s >= SLOW_S else 1
            self._failures, self._problem = self._failures + 1, problem
            if is_probe:
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            elif self._open_until_s is not None or self._points < POINTS:  # a call from before it opened; too few
                return
            jitter = random.uniform(0.9, 1.1)  # noqa: S311  # no secret: so that processes don't probe together
            self._open_until_s = self._clock() + self._pause_s * jitter
