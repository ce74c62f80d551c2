"""Taking turns at an endpoint."""

import threading
from collections import deque
from types import TracebackType

from phenoloop.deadlines import remaining_s
from phenoloop.errors import TimeOver


class Turns:
    """A semaphore that serves first come, first served, and no longer than the caller's time limit.

    Python's own lets the thread that releases take the slot again before the one it woke: a large batch would then
    starve a single interactive call.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Raises TimeOver."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        if not turn.wait(min(remaining_s(), threading.TIMEOUT_MAX)):
            self._leave(turn)
            raise TimeOver("No turn at the endpoint came in time.", cure="See how many calls wait, and why.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._pass_on()

    def _leave(self, turn: threading.Event) -> None:
        with self._lock:
            if turn.is_set():  # it came just now
                self._pass_on()
            else:
                self._waiting.remove(turn)

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()  # the slot passes on, never free in between
        else:
            self._free += 1
