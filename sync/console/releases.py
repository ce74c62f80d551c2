"""Chains in the registry, each with what its evaluation measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from phenoloop.errors import RunMissing
from sync.loop import Loop
from sync.registry import ChainPackage
from sync.runs import Runs

FIGURES = {
    "quality": "quality",
    "box_ap50": "box AP50",
    "mask_ap50": "mask AP50",
    "precision": "precision",
    "recall": "recall",
    "mean_iou": "mean IoU",
}
"""Of `evaluation.json`; all are shares, 1 is best."""


@dataclass(frozen=True, slots=True)
class Figure:
    value: float
    low: float | None = None
    """Of its 95 % interval, if it has one."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Of a run's candidate beside the chain that was live then, on the run's own test photos."""

    verdict: str
    reasons: tuple[str, ...]
    test_photos: int
    gain: Figure
    """In quality."""
    live: Mapping[str, Figure]
    candidate: Mapping[str, Figure]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Evaluation:
        """From `evaluation.json`."""
        gain = told["gain"]
        return cls(
            verdict=str(told["verdict"]),
            reasons=tuple(map(str, told["reasons"])),
            test_photos=int(told["test_photos"]),
            gain=Figure(gain["mean"], gain["low"], gain["high"]),
            live=_figures(told["live"]),
            candidate=_figures(told["candidate"]),
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """One package of the registry."""

    package: ChainPackage
    is_live: bool
    evaluation: Evaluation | None
    """None if no run made it, or one that left none."""

    @property
    def registered_at(self) -> datetime:
        return self.package.registered_at


@dataclass(frozen=True, slots=True)
class Chains:
    """Newest first."""

    live_release: str
    """Name of the live one; empty if there is none."""
    all: tuple[Chain, ...]

    @property
    def live(self) -> Chain | None:
        """None also if the live release is of no package: adopted endpoints."""
        return next((chain for chain in self.all if chain.is_live), None)

    @property
    def waiting(self) -> list[Chain]:
        """For a person to decide."""
        return [chain for chain in self.all if chain.package.waits]


class Evaluations:
    """Of runs; what was evaluated never changes and is read once."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._known: dict[str, Evaluation] = {}

    def of(self, run: str) -> Evaluation | None:
        """None if it did not come to that. Raises StorageUnavailable."""
        if run not in self._known:
            try:
                told = self._runs.evaluation(self._runs.get(run))
            except RunMissing:
                return None
            if told is None:
                return None
            self._known[run] = Evaluation.of(told)
        return self._known[run]


def chains(loop: Loop, evaluations: Evaluations) -> Chains:
    """Raises StorageUnavailable, RegistryFailed, SageMakerUnavailable."""
    live = loop.live()
    live_package = live.package_arn if live else None
    return Chains(
        live_release=live.name if live else "",
        all=tuple(
            Chain(package, package.arn == live_package, evaluations.of(package.run) if package.run else None)
            for package in loop.packages()
        ),
    )


def _figures(chain: Mapping[str, Any]) -> dict[str, Figure]:
    """Those that the photos could tell."""
    intervals = chain.get("intervals", {})
    return {
        name: Figure(float(chain[name]), intervals.get(name, {}).get("low"), intervals.get(name, {}).get("high"))
        for name in FIGURES
        if chain.get(name) is not None
    }
