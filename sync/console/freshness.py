"""How long it took from an annotator's save until a release was live that had learnt from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sync.index import Index, State
from sync.runs import Run
from sync.snapshot import SnapshotStore

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Learnt:
    """A release that came of a run, and when it went live."""

    release: str
    run: Run
    live_at: datetime


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of the annotations that no release before had learnt from."""

    release: str
    live_at: datetime
    annotations: int
    median_s: float
    longest_s: float


class Freshnesses:
    """What was live once and what it learnt from never change: each release is counted once."""

    def __init__(self, snapshots: SnapshotStore) -> None:
        self._snapshots = snapshots
        self._known: dict[tuple[str, str], Freshness | None] = {}

    def of(self, learnt: Iterable[Learnt]) -> list[Freshness]:
        """Of the newest releases, newest first; those that learnt nothing new are left out.

        Raises SnapshotMissing, StorageUnavailable.
        """
        in_order = sorted(learnt, key=lambda one: one.live_at)
        pairs = list(zip([None, *in_order], in_order, strict=False))[-SHOWN:]
        found = [self._one(before, now) for before, now in reversed(pairs)]
        return [one for one in found if one is not None]

    def _one(self, before: Learnt | None, now: Learnt) -> Freshness | None:
        key = (before.run.index if before else "", now.release)
        if key not in self._known:
            known = self._snapshots.index_of(before.run.index) if before else Index()
            self._known[key] = freshness(now, known, self._snapshots.index_of(now.run.index))
        return self._known[key]


def freshness(now: Learnt, before: Index, after: Index) -> Freshness | None:
    """Of what `after` counts and `before` did not have, or not with this content; None if there is nothing."""
    fresh = [
        entry.updated_at
        for key, entry in after.entries.items()
        if entry.state is State.USABLE
        and entry.updated_at is not None
        and (key not in before.entries or before.entries[key].content_hash != entry.content_hash)
    ]
    if not fresh:
        return None
    waits_s = [(now.live_at - saved_at).total_seconds() for saved_at in fresh]
    return Freshness(now.release, now.live_at, len(waits_s), median(waits_s), max(waits_s))
