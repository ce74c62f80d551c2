"""What a soak finds out: of each process whether it grows, of each kind of request how it went."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from phenoloop.demo.soak.census import Sample
from phenoloop.demo.soak.slope import Slope, slope, thinned
from phenoloop.demo.soak.traffic import Answered

WARM_UP = 0.25
"""Of the whole time: caches and thread pools fill, models are warmed."""
LEAST_MIN = 20.0
"""In less, warming up looks like growth: it is told of, but fails nothing."""
LIVED = 0.5
"""Of the time after the warm-up; a process that lived less is not judged."""
BOUNDS = {"anon_mib": 10.0, "rss_mib": math.inf, "threads": 6.0, "files": 6.0}
"""An hour. A slower growth is none to care about: a day of it is 240 MiB. The RSS is told, not judged."""
FAILURES = 0.01
"""Of the requests of one kind."""


class Verdict(Enum):
    FLAT = "flat"
    """Its slope is below the bound."""
    UNCLEAR = "unclear"
    """Its slope is above the bound, but the interval holds 0: too short or too noisy to tell."""
    GROWS = "grows"


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure of one process after the warm-up."""

    first: float
    last: float
    slope_per_h: Slope
    verdict: Verdict
    points: list[tuple[float, float]]
    """Minutes and medians."""


@dataclass(frozen=True, slots=True)
class Life:
    """One process that lived long enough to be judged."""

    name: str
    pid: int
    is_ours: bool
    lived_min: float
    pss_mib: float
    """At the end."""
    trends: dict[str, Trend]
    """By figure."""

    @property
    def grows(self) -> bool:
        return any(trend.verdict is Verdict.GROWS for trend in self.trends.values())


@dataclass(slots=True)
class Findings:
    seed: int
    minutes: float = 0.0
    """Measured, with the warm-up."""
    lives: list[Life] = field(default_factory=list)
    short_lives: dict[str, int] = field(default_factory=dict)
    """How many processes lived too short a time to be judged, by name: jobs, and what was restarted."""
    answered: dict[str, Answered] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    """What the loop did meanwhile."""
    failures: list[str] = field(default_factory=list)

    def judge(self, samples: Sequence[Sample], answered: dict[str, Answered]) -> None:
        self.answered = answered
        self.lives, self.short_lives = lives(samples)
        start_s, end_s = _span_s(samples)
        self.minutes = (end_s - start_s) / 60
        if self.minutes >= LEAST_MIN:
            self.failures += [f"{life.name} grows." for life in self.lives if life.is_ours and life.grows]
        self.failures += [
            f"{kind}: {asked.failures} of {asked.requests} failed."
            for kind, asked in answered.items()
            if asked.failures > FAILURES * asked.requests
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": not self.failures,
            "failures": self.failures,
            "seed": self.seed,
            "minutes": self.minutes,
            "bounds_per_h": {figure: bound for figure, bound in BOUNDS.items() if bound < math.inf},
            "processes": [_life_json(life) for life in self.lives],
            "short_lives": self.short_lives,
            "requests": {kind: asdict(asked) for kind, asked in self.answered.items()},
            "done": self.done,
        }


def lives(samples: Sequence[Sample]) -> tuple[list[Life], dict[str, int]]:
    """The processes that can be judged, in the order they were met, and how many others there were, by name."""
    start_s, end_s = _span_s(samples)
    warm_s = start_s + WARM_UP * (end_s - start_s)
    by_life: dict[tuple[int, float], list[Sample]] = defaultdict(list)
    for sample in samples:
        by_life[sample.pid, sample.born_s].append(sample)
    judged, short = [], Counter[str]()
    for known in by_life.values():
        warm = [sample for sample in known if sample.at_s >= warm_s]
        trends = _trends(warm)
        if trends and warm[-1].at_s - warm[0].at_s >= LIVED * (end_s - warm_s):
            last, lived_s = known[-1], known[-1].at_s - known[0].at_s
            judged.append(Life(last.name, last.pid, last.is_ours, lived_s / 60, last.pss_mib, trends))
        else:
            short[known[-1].name] += 1
    return judged, dict(short)


def _span_s(samples: Sequence[Sample]) -> tuple[float, float]:
    times_s = [sample.at_s for sample in samples] or [0.0]
    return min(times_s), max(times_s)


def _trends(samples: Sequence[Sample]) -> dict[str, Trend]:
    """Empty if there are too few samples."""
    found = {figure: _trend(samples, figure, bound) for figure, bound in BOUNDS.items()}
    return {figure: trend for figure, trend in found.items() if trend}


def _trend(samples: Sequence[Sample], figure: str, bound_per_h: float) -> Trend | None:
    hours = [sample.at_s / 3600 for sample in samples]
    values = [float(getattr(sample, figure)) for sample in samples]
    found = slope(hours, values)
    if found is None:
        return None
    times, medians = thinned(hours, values)
    minutes = (60 * (times - times[0])).round(2).tolist()
    points = list(zip(minutes, medians.round(2).tolist(), strict=True))
    return Trend(float(medians[0]), float(medians[-1]), found, _verdict(found, bound_per_h), points)


def _verdict(found: Slope, bound_per_h: float) -> Verdict:
    if found.value <= bound_per_h:
        return Verdict.FLAT
    return Verdict.UNCLEAR if found.low <= 0 else Verdict.GROWS


def _life_json(life: Life) -> dict[str, Any]:
    trends = {figure: asdict(trend) | {"verdict": trend.verdict.value} for figure, trend in life.trends.items()}
    return asdict(life) | {"trends": trends}
