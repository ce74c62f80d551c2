"""A figure of the benchmark: measured beside its reference in the same run, so that a noisy machine matters little."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class Topic(Protocol):
    """`measure` of a module in `benchmarks.topics`. Quick ones are smaller: for trying it, not for quoting."""

    def __call__(self, *, quick: bool) -> Iterator["Figure"]: ...


@dataclass(frozen=True, slots=True)
class Figure:
    what: str
    """What was measured, with the sizes that matter."""
    value: float
    unit: str
    reference: str
    """What it is measured against."""
    reference_value: float
    """In the same unit."""
    ratio: float
    """Of the two, the way round in which `least` or `most` states it."""
    least: float | None = None
    most: float | None = None
    note: str = ""
    """What a reader must know of this very run."""

    @property
    def is_met(self) -> bool:
        if math.isnan(self.ratio):
            return False
        return (self.least is None or self.ratio >= self.least) and (self.most is None or self.ratio <= self.most)

    @property
    def wanted(self) -> str:
        bounds = [("at least", self.least), ("at most", self.most)]
        return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None) or "as it is"


def as_share(what: str, value: float, unit: str, reference: str, reference_value: float,
             *, least: float | None = None, most: float | None = None, note: str = "") -> Figure:  # fmt: skip
    """Value / reference."""
    ratio = value / reference_value if reference_value else math.nan
    return Figure(what, value, unit, reference, reference_value, ratio, least, most, note)


def as_gain(what: str, value: float, unit: str, reference: str, reference_value: float,
            *, least: float | None = None, most: float | None = None, note: str = "") -> Figure:  # fmt: skip
    """Reference / value: of times, how often as quick; of memory, how often as small."""
    ratio = reference_value / value if value else math.nan
    return Figure(what, value, unit, reference, reference_value, ratio, least, most, note)
