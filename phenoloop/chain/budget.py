"""A retry budget: retries that help cost nothing, and in an outage they soon stop, instead of multiplying it."""

import threading

RESERVE = 40
"""Enough for a trouble that hits a full fan-out at once."""
EARNED = 0.25
"""Of a retry, by a call that needed none."""


class RetryBudget:
    """A token bucket, full at first. Safe to use from many threads."""

    def __init__(self) -> None:
        self._tokens = float(RESERVE)
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Whether there is one more retry."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def did_well(self, *, retries: int) -> None:
        """A call, after so many retries, which it gives back."""
        with self._lock:
            self._tokens = min(self._tokens + max(retries, EARNED), RESERVE)
