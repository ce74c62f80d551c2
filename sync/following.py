"""Open tasks follow the release that is live for their project: newest first, at a pace that leaves room for people."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from phenoloop.chain.releases import Pointer, ReleaseStore
from phenoloop.errors import ReleaseMissing
from phenoloop.logs import traced
from phenoloop.settings import Settings
from sync.metrics import SyncMetrics
from sync.open_tasks import Behind, OpenTasks
from sync.release.rollouts import Rollouts

PREDICTING_S = 2.0
"""Between two looks at tasks that are being predicted."""
BATCH_S = 15.0
"""So much of the pace is asked for at once: a photo that comes meanwhile waits no longer than that."""


class Following:
    def __init__(
        self,
        open_tasks: OpenTasks,
        store: ReleaseStore,
        rollouts: Rollouts,
        settings: Settings,
        metrics: SyncMetrics,
        *,
        led_to: Callable[[], str | None],
    ) -> None:
        """`led_to`: the id under which the run of the live release was asked for."""
        self._open_tasks, self._store, self._rollouts = open_tasks, store, rollouts
        self._settings, self._metrics, self._led_to = settings, metrics, led_to
        self._asked_for: set[tuple[int, int]] = set()
        """Project and task: what can't be predicted must not keep the others waiting."""
        self._pointer: Pointer | None = None
        self._next_s = 0.0
        self._followed_at: datetime | None = None

    def look(self) -> float:
        """Have tasks predicted that are behind; in how many seconds to look again."""
        sweep_s = self._settings.retraining.sweep_every_s
        try:
            pointer = self._store.pointer()
        except ReleaseMissing:
            return sweep_s
        if pointer != self._pointer:
            self._asked_for, self._pointer = set(), pointer
        if (wait_s := max(self._next_s - time.monotonic(), self._until_known_s(pointer))) > 0:
            return wait_s
        if self._open_tasks.are_being_predicted():
            return PREDICTING_S
        with self._metrics.timed("open tasks"):
            canary = dict.fromkeys(pointer.canary.projects, pointer.canary.release) if pointer.canary else {}
            behind = self._open_tasks.behind(pointer.release, canary)
        if not behind:
            self._note_followed(pointer)
            return sweep_s
        batch = self._next_batch(behind)
        if not batch:  # all were asked for in vain: at the next sweep again
            self._asked_for = set()
            return sweep_s
        with traced(self._led_to()):
            self._open_tasks.predict(batch)
        count = sum(map(len, batch.values()))
        self._next_s = time.monotonic() + 60.0 * count / self._settings.release.open_tasks_a_minute
        return PREDICTING_S

    def _until_known_s(self, pointer: Pointer) -> float:
        """Until every worker has heard of the pointer: a job that is asked for now might run on the release before."""
        changed_at = max(pointer.moved_at, pointer.canary.since) if pointer.canary else pointer.moved_at
        hear_s = 2 * self._settings.chain.release_refresh_s
        return min(hear_s - (datetime.now(UTC) - changed_at).total_seconds(), hear_s)

    def _next_batch(self, behind: Behind) -> Behind:
        """The newest of all projects, as many as the pace allows."""
        most = max(int(self._settings.release.open_tasks_a_minute * BATCH_S / 60.0), 1)
        fresh = {(project, task) for project, tasks in behind.items() for task in tasks} - self._asked_for
        batch = sorted(fresh, key=lambda pair: pair[1], reverse=True)[:most]
        self._asked_for |= set(batch)
        return {project: tuple(task for p, task in batch if p == project) for project in dict(batch)}

    def _note_followed(self, pointer: Pointer) -> None:
        """Timed once a release; not of one that was followed before this process began."""
        if self._followed_at == pointer.moved_at or pointer.canary:
            return
        if self._asked_for:
            self._metrics.followed(pointer.moved_at)
        if self._rollouts.find(pointer.release):
            self._rollouts.note(pointer.release, "followed")
        self._followed_at = pointer.moved_at
