"""Whether two results say the same, up to what a batch changes in a model's arithmetic."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

RELATIVE, ABSOLUTE = 0.02, 2.0
"""How far numbers may lie apart, one or the other: a mask differs by a pixel where a model is in doubt."""
_LONGEST_WORD = 100
"""A longer string is an encoded picture, in which one pixel changes everything."""


def difference(first: Any, second: Any, where: str = "the result") -> str:
    """The first place where they differ, in words; empty if they don't."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        if unshared := set(first) ^ set(second):
            return f"{where} has {sorted(map(str, unshared))} only once"
        return _first_of(difference(first[key], second[key], f"{where}[{key!r}]") for key in first)
    if _is_list(first) and _is_list(second):
        if len(first) != len(second):
            return f"{where} has {len(first)} elements and {len(second)}"
        return _first_of(
            difference(a, b, f"{where}[{at}]") for at, (a, b) in enumerate(zip(first, second, strict=True))
        )
    if _is_number(first) and _is_number(second):
        alike = math.isclose(first, second, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    elif isinstance(first, str) and isinstance(second, str) and min(len(first), len(second)) > _LONGEST_WORD:
        alike = True
    else:
        alike = first == second
    return "" if alike else f"{where} is {_shown(first)} and {_shown(second)}"


def _first_of(differences: Iterable[str]) -> str:
    return next(filter(None, differences), "")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_WORD else f"{text[:_LONGEST_WORD]}..."
