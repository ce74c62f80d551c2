"""What connecting did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    DONE = "done"
    RIGHT = "right"
    """It was so already."""
    LEFT = "left"
    """It differs and was left alone; `cure` says what someone would have to change."""


@dataclass(frozen=True, slots=True)
class Step:
    outcome: Outcome
    what: str
    cure: str = ""


def done(what: str) -> Step:
    return Step(Outcome.DONE, what)


def right(what: str) -> Step:
    return Step(Outcome.RIGHT, what)


def left(what: str, cure: str) -> Step:
    return Step(Outcome.LEFT, what, cure)
