"""Which photos are annotated: enough, and among them enough that the pipeline keeps for its own test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from phenoloop.demo.proof.known import KnownPhoto
from sync.split import split_of

T = TypeVar("T")

LEAST_ANNOTATED, MOST_ANNOTATED = 24, 36
LEAST_TESTS = 16
"""Photos that nobody annotates, to score releases on."""
LEAST_JUDGED, LEAST_JUDGED_GROUPS = 10, 4
"""Annotated photos that fall into the pipeline's test split, and their groups: fewer can't tell one chain's gain."""
MINIMUM_TEST_PHOTOS = 4
"""With fewer the pipeline leaves the decision to a person, as in the demo."""


def enough_to_annotate(
    candidates: Iterable[T], is_tested: Callable[[T], bool], *, most: int = MOST_ANNOTATED
) -> Iterator[T]:
    """The first LEAST_ANNOTATED candidates, then, until LEAST_JUDGED are tested, those that are; `most` at most.

    The split hashes names, so that choosing by it says nothing of what the photos show.
    """
    taken = tested = 0
    for candidate in candidates:
        counts = is_tested(candidate)
        if taken < LEAST_ANNOTATED or counts:
            yield candidate
            taken, tested = taken + 1, tested + counts
        if taken >= most or (taken >= LEAST_ANNOTATED and tested >= LEAST_JUDGED):
            return


def is_tested(group: str | None, key: str) -> bool:
    """Whether the pipeline keeps this photo for its test."""
    return split_of(group, key) == "test"


def judged_on(photos: Iterable[KnownPhoto], images_prefix: str) -> list[KnownPhoto]:
    """Those of the photos that the pipeline keeps for its test."""
    return [photo for photo in photos if is_tested(photo.group, images_prefix + photo.name)]
