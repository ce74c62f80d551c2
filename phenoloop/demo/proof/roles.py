"""Which photos are annotated: enough, and among them enough that the pipeline keeps for its own test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from sync.split import split_of

T = TypeVar("T")

LEAST_ANNOTATED, MOST_ANNOTATED = 24, 36
LEAST_TESTS = 16
"""Photos that nobody annotates, to score releases on."""
LEAST_TESTED = 5
"""Annotated photos that fall into the pipeline's test split; with fewer it has nothing to judge on."""


def enough_to_annotate(
    candidates: Iterable[T], is_tested: Callable[[T], bool], *, most: int = MOST_ANNOTATED
) -> Iterator[T]:
    """The first LEAST_ANNOTATED candidates, then, until LEAST_TESTED are tested, those that are; `most` at most.

    The split hashes names, so that choosing by it says nothing of what the photos show.
    """
    taken = tested = 0
    for candidate in candidates:
        counts = is_tested(candidate)
        if taken < LEAST_ANNOTATED or counts:
            yield candidate
            taken, tested = taken + 1, tested + counts
        if taken >= most or (taken >= LEAST_ANNOTATED and tested >= LEAST_TESTED):
            return


def is_tested(group: str | None, key: str) -> bool:
    """Whether the pipeline keeps this photo for its test."""
    return split_of(group, key) == "test"
