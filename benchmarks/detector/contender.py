"""What every model of the comparison does, and what its programs cost."""

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.detector.finds import Outcome
from phenoloop.errors import PhenoloopError
from phenoloop.local_aws.environments import REPOSITORY


class ProgramFailed(PhenoloopError):
    """A model's training or test ended badly."""


@dataclass(frozen=True, slots=True)
class Job:
    base: Path
    """Folder of its own, empty at first."""
    train: Path
    """Prepared folders."""
    test: Path
    budget_s: float
    """Wall time to learn."""
    python: Path
    """Of the training environment."""
    hyperparameters: Mapping[str, str]
    """Of ours."""


@dataclass(frozen=True, slots=True)
class Course:
    epochs: float
    """Passes over the training photos."""
    steps: int
    """Batches."""
    wall_s: float
    """From the program's start to its end, with all that it loads and writes."""
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    wall_s: float
    cpu_s: float


class Contender(Protocol):
    def made_with(self, job: Job) -> Mapping[str, str]:
        """What a result stands for, beside photos and budget: a result of anything else is made anew."""

    def train(self, job: Job) -> Course:
        """Raises ProgramFailed."""

    def test(self, job: Job) -> Outcome:
        """Raises ProgramFailed."""


def run_program(command: Sequence[str], job: Job, log: str, environment: Mapping[str, str]) -> Cost:
    """In the repository, with what it says in `base/log`. One at a time, or the processor time is not its own.

    Raises ProgramFailed.
    """
    before, started_s = _children_cpu_s(), time.monotonic()
    with (job.base / log).open("w") as said:
        done = subprocess.run(
            command, cwd=REPOSITORY, env=os.environ | environment, stdout=said, stderr=subprocess.STDOUT, check=False
        )
    cost = Cost(time.monotonic() - started_s, _children_cpu_s() - before)
    if done.returncode:
        last = (job.base / log).read_text(errors="replace").strip()[-300:]
        raise ProgramFailed(
            "A program of the comparison failed.", cure=f"See its log; it ends: {last}", log=job.base / log
        )
    return cost


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
