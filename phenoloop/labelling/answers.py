"""Label Studio's answers, where they are not what it documents."""

from collections.abc import Iterator
from contextlib import contextmanager

from phenoloop.errors import LabelStudioRefused


@contextmanager
def as_documented() -> Iterator[None]:
    """Around the reading of an answer: raises LabelStudioRefused where a part is missing or of another kind."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise LabelStudioRefused(
            "An answer is not of the form that Label Studio documents.",
            cure="Does the URL name a Label Studio 1.23?",
            problem=f"{type(error).__name__}: {error}",
        ) from error
