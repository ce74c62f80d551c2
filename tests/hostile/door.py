"""A door: a way in for foreign bytes, what it may answer, and what answering may cost.

A visit hands one case in. The door takes it or refuses it with an error of its own whose message says what is wrong;
anything else is a find. Time is the process's CPU time, so that a busy machine is no find; memory is the growth of the
process's peak.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy
from PIL import Image as Pillow

from phenoloop.errors import PhenoloopError

LONGEST_MESSAGE = 2000


class Refused(Exception):
    """An answer that is a refusal though no exception: an HTTP status, an annotation left out."""


@dataclass(frozen=True, slots=True)
class Door:
    name: str
    cases: SearchStrategy[Any]
    enter: Callable[[Any], object]
    refusals: tuple[type[Exception], ...] = (PhenoloopError,)
    most_s: float = 5.0
    most_mib: float = 128.0
    extremes: tuple[Callable[[], Any], ...] = ()
    """Cases that take a while, made when they are wanted: the largest that is let in, and bombs."""


@dataclass
class Tally:
    """Of all visits to one door."""

    accepted: int = 0
    refused: int = 0
    worst_s: float = 0.0
    worst_mib: float = 0.0

    @property
    def cases(self) -> int:
        return self.accepted + self.refused

    def add(self, visit: "Visit") -> None:
        if visit.refusal is None:
            self.accepted += 1
        else:
            self.refused += 1
        self.worst_s = max(self.worst_s, visit.seconds)
        self.worst_mib = max(self.worst_mib, visit.mib)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A case that is printed in one line."""

    value: Any

    def __repr__(self) -> str:
        text = repr(self.value)
        return text if len(text) < 500 else f"{text[:250]} ... {text[-250:]}"


@dataclass(frozen=True, slots=True)
class Visit:
    refusal: str | None
    seconds: float
    mib: float


def visits(door: Door, runs: int, seed_: int, *, extremes: bool = False) -> Tally:
    """So many generated cases. Raises AssertionError, or what escaped, with the smallest case that does it."""
    tally = Tally()
    for case in door.extremes if extremes else ():
        tally.add(visit(door, case()))

    @seed(seed_)
    @settings(
        max_examples=runs,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(door.cases.map(_Shown))
    def each(case: _Shown) -> None:
        tally.add(visit(door, case.value))

    each()
    return tally


def visit(door: Door, case: Any) -> Visit:
    """Raises AssertionError if the door breaks a promise, and whatever it raises that is no refusal."""
    before_mib = _memory_mib(reset=True)
    started_s = time.process_time()
    refusal = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # numbers that overflow
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # of what is still within our own bound
            door.enter(case)
    except door.refusals as error:
        refusal = str(error)
    seconds = time.process_time() - started_s
    mib = _memory_mib() - before_mib
    if refusal is not None:
        assert_tells_something(refusal)
    assert seconds <= door.most_s, f"{door.name}: {seconds:.1f} s"
    assert mib <= door.most_mib, f"{door.name}: {mib:.0f} MiB"
    return Visit(refusal, seconds, mib)


def assert_tells_something(message: str) -> None:
    assert message.strip(), "a refusal without a word"
    assert len(message) <= LONGEST_MESSAGE, f"a refusal of {len(message)} characters"
    assert "Traceback" not in message
    message.encode()  # a log can be written


def _memory_mib(*, reset: bool = False) -> float:
    """The process's peak since the last reset; after a reset what it holds now."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
