"""Until when the work at hand is worth doing. The limit goes with the work, also to other threads (`logs.carried`)."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from phenoloop.errors import PhenoloopError, TimeOver

_ENDS_AT_S: ContextVar[float] = ContextVar("ends_at_s", default=math.inf)
"""On the monotonic clock."""


@contextmanager
def time_limit(seconds: float | None, *, otherwise: Callable[[], PhenoloopError] | None = None) -> Iterator[None]:
    """What is done in here has so long, or as long as the limit around it leaves; None sets no limit.

    If it is this limit that was over, raises `otherwise` instead of TimeOver.
    """
    around_s = _ENDS_AT_S.get()
    own_s = math.inf if seconds is None else time.monotonic() + seconds
    token = _ENDS_AT_S.set(min(own_s, around_s))
    try:
        yield
    except TimeOver as error:
        if otherwise is not None and time.monotonic() < around_s:
            raise otherwise() from error
        raise
    finally:
        _ENDS_AT_S.reset(token)


def remaining_s() -> float:
    """Infinite without a limit, never below 0."""
    return max(_ENDS_AT_S.get() - time.monotonic(), 0.0)


def require_time(otherwise: str = "There was no time left.") -> None:
    """Raises TimeOver, with these words."""
    if not remaining_s():
        raise TimeOver(otherwise)
