"""Taking turns at an endpoint: whom somebody waits for goes first."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

from phenoloop.deadlines import remaining_s
from phenoloop.errors import TimeOver

LEFT_TO_BATCHES = 1
"""Of an endpoint's slots, while somebody waits: batches get on, slowly."""

_SOMEBODY_WAITS: ContextVar[bool] = ContextVar("somebody_waits", default=False)
_waited_for: set[object] = set()
"""What somebody waits for at this moment, in the whole process."""


@contextmanager
def somebody_waits() -> Iterator[None]:
    """What is called in here, also by other threads (`logs.carried`), goes before all batches.

    These leave the slots free from now on, and not only when they are asked for: calls that are under way would keep
    somebody waiting for as long as a model takes.
    """
    this, token = object(), _SOMEBODY_WAITS.set(True)
    _waited_for.add(this)
    try:
        yield
    finally:
        _waited_for.discard(this)
        _SOMEBODY_WAITS.reset(token)


def goes_first() -> bool:
    return _SOMEBODY_WAITS.get()


class Turns:
    """A semaphore: those whom somebody waits for first, then first come, first served; no longer than the caller's
    time limit.

    Python's own lets the thread that releases take the slot again before the one it woke: a large batch would then
    starve a single interactive call.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._first: deque[threading.Event] = deque()
        self._others: deque[threading.Event] = deque()
        self._taken_by_others = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Raises TimeOver."""
        turn, line = threading.Event(), self._own_line()
        with self._lock:
            line.append(turn)
            self._let_in()
        if not turn.wait(min(remaining_s(), threading.TIMEOUT_MAX)):
            self._leave(turn)
            raise TimeOver("No turn at the endpoint came in time.", cure="See how many calls wait, and why.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._give_back()

    def _leave(self, turn: threading.Event) -> None:
        with self._lock:
            if turn.is_set():  # it came just now
                self._give_back()
            else:
                self._own_line().remove(turn)

    def _own_line(self) -> deque[threading.Event]:
        return self._first if goes_first() else self._others

    def _give_back(self) -> None:
        self._free += 1
        self._taken_by_others -= self._own_line() is self._others
        self._let_in()

    def _let_in(self) -> None:
        while self._free and (line := self._next_line()):
            self._free -= 1
            self._taken_by_others += line is self._others
            line.popleft().set()

    def _next_line(self) -> deque[threading.Event] | None:
        if self._first:
            return self._first
        may_others = not _waited_for or self._taken_by_others < LEFT_TO_BATCHES
        return self._others if self._others and may_others else None
