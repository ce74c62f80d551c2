"""Trying again what may pass: after growing, jittered pauses, and only while there is time for it."""

from collections.abc import Callable, Iterator

import stamina

from phenoloop.deadlines import remaining_s
from phenoloop.errors import PhenoloopError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 3.0
LONGEST_ASKED_FOR_S = 20.0
"""A server that asks for a longer pause (Retry-After) is not waited for."""


def retried(attempts: int, *, if_also: Callable[[PhenoloopError], bool] = lambda _: True) -> Iterator[stamina.Attempt]:
    """The attempts, each for a `with` of its own.

    What may pass is tried again, unless `if_also` objects or they are used up; then the last error is raised.
    """
    left = attempts - 1

    def pause(error: Exception) -> bool | float:
        """Whether there is another attempt, or after what pause."""
        nonlocal left
        if not (isinstance(error, PhenoloopError) and error.retryable and left):
            return False
        asked_s = error.facts.get("retry_after_s")
        asked_s = asked_s if isinstance(asked_s, float) else 0.0
        if asked_s > LONGEST_ASKED_FOR_S or remaining_s() <= max(asked_s, LONGEST_PAUSE_S) or not if_also(error):
            return False
        left -= 1
        return asked_s or True

    yield from stamina.retry_context(
        on=pause, attempts=None, timeout=None, wait_initial=FIRST_PAUSE_S, wait_max=LONGEST_PAUSE_S
    )
