"""How often Python looks for cycles among its objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 50_000
"""New ones between two looks. Python's 700 are made by a dozen annotations, and none of them is in a cycle."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """For work that makes many objects and no cycles; a quarter of a snapshot went into looking for some."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
