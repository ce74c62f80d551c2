"""Runs and how far they are."""

from __future__ import annotations

from dataclasses import dataclass

from phenoloop.errors import RegistryFailed
from sync.console.releases import Evaluation, Evaluations
from sync.executions import ENDED, Execution
from sync.loop import Loop
from sync.runs import Run

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """One run in the list."""

    run: Run
    status: str
    """As `Runs.status`; empty if SageMaker does not know the run any more."""

    @property
    def is_at_work(self) -> bool:
        return self.status not in ("", *ENDED)


@dataclass(frozen=True, slots=True)
class Told:
    """All of one run."""

    run: Run
    status: str
    execution: Execution | None
    evaluation: Evaluation | None

    @property
    def version(self) -> str:
        """Of the package that it registered; empty if none."""
        arn = self.execution.package_arn if self.execution else None
        return (arn or "").rpartition("/")[2]


def runs(loop: Loop) -> list[Shown]:
    """The newest ones, newest first. Raises BucketMissing, StorageUnavailable, SageMakerUnavailable."""
    return [Shown(run, _status(loop, run)) for run in loop.runs.list()[: -SHOWN - 1 : -1]]


def told(loop: Loop, evaluations: Evaluations, name: str) -> Told:
    """Raises RunMissing, StorageUnavailable, RegistryFailed, SageMakerUnavailable."""
    run = loop.runs.get(name)
    execution = loop.runs.execution(run)
    return Told(run, execution.status if execution else loop.runs.status(run), execution, evaluations.of(name))


def _status(loop: Loop, run: Run) -> str:
    try:
        return loop.runs.status(run)
    except RegistryFailed:
        return ""
