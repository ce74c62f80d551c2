"""Conditions of a Condition step, over resolved values."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from phenoloop.local_aws.sagemaker.pipelines.expressions import Unresolvable

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


def check(condition: Any) -> None:
    """Raises Unresolvable if it is not a condition, whatever its values."""
    for _ in _parts(condition):
        pass


def holds(condition: dict[str, Any]) -> bool:
    """Raises Unresolvable if values can't be compared."""
    match condition:
        case {"Type": "Not", "Expression": inner}:
            return not holds(inner)
        case {"Type": "Or", "Conditions": inner}:
            return any(holds(one) for one in inner)
        case {"Type": "And", "Conditions": inner}:
            return all(holds(one) for one in inner)
        case {"Type": "In", "QueryValue": value, "Values": values}:
            return any(_compared("Equals", value, one) for one in values)
        case {"Type": kind, "LeftValue": left, "RightValue": right}:
            return _compared(kind, left, right)
    raise Unresolvable(f"{condition!r} is not a condition")


def _compared(kind: str, left: Any, right: Any) -> bool:
    if _sort_of(left) != _sort_of(right):
        if kind == "Equals":
            return False
        raise Unresolvable(f"{left!r} and {right!r} can't be compared")
    if kind != "Equals" and _sort_of(left) not in (float, str):
        raise Unresolvable(f"{left!r} and {right!r} have no order")
    return COMPARISONS[kind](left, right)


def _sort_of(value: Any) -> type:
    """Numbers are one sort; True is not 1."""
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _parts(condition: Any) -> Iterator[Any]:
    match condition:
        case {"Type": "Not", "Expression": inner}:
            yield from _parts(inner)
        case {"Type": "Or" | "And", "Conditions": [_, *_] as inner}:
            for one in inner:
                yield from _parts(one)
        case {"Type": "In", "QueryValue": _, "Values": [*_]}:
            yield condition
        case {"Type": kind, "LeftValue": _, "RightValue": _} if kind in COMPARISONS:
            yield condition
        case _:
            raise Unresolvable(f"{condition!r} is not a condition")
