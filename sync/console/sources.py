"""Where each panel's facts come from: the loop's stores, its queues, and what sync itself thinks at this moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from phenoloop.errors import ReleaseMissing
from phenoloop.jobs import queue_depth
from sync.console.alarms import alarms
from sync.console.corrections import Corrections
from sync.console.freshness import Freshness, Freshnesses, Learnt
from sync.console.releases import Evaluations, chains
from sync.console.runs import runs
from sync.loop import Loop
from sync.worker import SyncWorker


@dataclass(frozen=True, slots=True)
class Sources:
    """`loop` is the console's own, so that its looks are in no way of the worker's."""

    loop: Loop
    worker: SyncWorker
    cloudwatch: Any
    evaluations: Evaluations
    corrections: Corrections
    freshnesses: Freshnesses

    def looks(self) -> Mapping[str, Callable[[], object]]:
        """By the panel's name."""
        return {
            "sync": self._sync,
            "chains": lambda: chains(self.loop, self.evaluations),
            "runs": lambda: runs(self.loop),
            "open_tasks": self._open_tasks,
            "events": self.worker.waiting,
            "jobs": lambda: queue_depth(self.loop.open_tasks.queue),
            "alarms": lambda: alarms(self.cloudwatch),
            "corrections": self.corrections.by_release,
            "freshness": self._freshness,
            "rollouts": self.loop.decisions.rollouts.list,
        }

    def _sync(self) -> dict[str, Any]:
        """From memory: what the policy said at the last look, and what keeps sync from its work."""
        decided = self.worker.loop.decided
        decision, pending = decided or (None, None)
        return {"decision": decision, "pending": pending, "problems": self.worker.problems()}

    def _open_tasks(self) -> int:
        """How many wait for a prediction of the release that is live for their project."""
        try:
            pointer = self.loop.releases.pointer()
        except ReleaseMissing:
            return 0
        canary = dict.fromkeys(pointer.canary.projects, pointer.canary.release) if pointer.canary else {}
        return sum(map(len, self.loop.open_tasks.behind(pointer.release, canary).values()))

    def _freshness(self) -> list[Freshness]:
        return self.freshnesses.of(self._learnt())

    def _learnt(self) -> Iterator[Learnt]:
        """Releases that came of a run and went live."""
        made_by = {package.arn: package.run for package in self.loop.packages() if package.run}
        for rollout in self.loop.decisions.rollouts.list():
            live, run = rollout.step("live"), made_by.get(rollout.package_arn)
            if live and run:
                yield Learnt(rollout.release, self.loop.runs.get(run), live.at)
