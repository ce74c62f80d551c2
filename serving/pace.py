"""Work that may be left out, kept to a share of the time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """One turn at a time; after each a rest, so that turns take no more than a share of one core's time."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._busy, self._next_s = threading.Lock(), 0.0

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether it is one: else the work is to be left out."""
        if time.monotonic() < self._next_s or not self._busy.acquire(blocking=False):
            yield False
            return
        started_s = time.thread_time()
        try:
            yield True
        finally:
            self._next_s = time.monotonic() + (time.thread_time() - started_s) / self._share
            self._busy.release()
