"""What is no longer needed: rollouts that came to nothing end, endpoints that nobody may go back to are deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from phenoloop.chain.releases import Pointer, ReleaseStore
from phenoloop.errors import ReleaseMissing
from phenoloop.settings import ReleaseSettings
from sync.release.alarms import Alarms
from sync.release.hosting import OURS, Hosting
from sync.release.releaser import Releaser
from sync.release.rollouts import Rollout, Rollouts


@dataclass(frozen=True, slots=True)
class Retirement:
    store: ReleaseStore
    rollouts: Rollouts
    hosting: Hosting
    alarms: Alarms
    settings: ReleaseSettings

    @classmethod
    def of(cls, releaser: Releaser) -> Retirement:
        return cls(releaser.store, releaser.rollouts, releaser.hosting, releaser.alarms, releaser.settings)

    def look(self, pointer: Pointer | None, current: str | None) -> None:
        """`current`: the release that is live or on its way there; None if there is none.

        Raises what S3, SageMaker and CloudWatch raise; the next look goes on.
        """
        if pointer and pointer.canary and pointer.canary.release != current:
            self.store.withdraw_canary(pointer.canary.release)
        kept = self._kept(pointer, current)
        in_use = self._endpoints(kept)
        for rollout in self.rollouts.list():
            if rollout.release in kept and (pointer is None or rollout.release in (pointer.release, current)):
                continue
            ended = self._ended(rollout)
            if ended.release not in kept and not ended.step("retired"):
                self._retire(ended, in_use)

    def _ended(self, rollout: Rollout) -> Rollout:
        """Not live and not on its way."""
        if rollout.outcome == "live":
            return self.rollouts.end(rollout.release, "replaced")
        return rollout if rollout.outcome else self.rollouts.end(rollout.release, "overtaken")

    def _retire(self, rollout: Rollout, in_use: set[str]) -> None:
        """Only endpoints that bear a name of ours, of a release that we made."""
        names = [name for name in rollout.endpoints if OURS.fullmatch(name) and name not in in_use]
        gone = [] if rollout.adopted else names
        removed = [self.hosting.remove(name) for name in gone]
        if all(removed):
            for name in gone:
                self.alarms.remove(name)
            self.rollouts.note(rollout.release, "retired", deleted=gone)
            structlog.get_logger().info("release retired", release=rollout.release, deleted=gone)

    def _kept(self, pointer: Pointer | None, current: str | None) -> set[str]:
        kept = {current} if current else set()
        if pointer is None:
            return kept
        kept |= {pointer.release}
        if pointer.previous and datetime.now(UTC) - pointer.moved_at < timedelta(seconds=self.settings.keep_previous_s):
            kept |= {pointer.previous}
        return kept

    def _endpoints(self, releases: set[str]) -> set[str]:
        """That these are served by, as their rollouts or, of those from before there were any, the releases say."""
        used = {name for rollout in self.rollouts.list() if rollout.release in releases for name in rollout.endpoints}
        for name in releases:
            try:
                release = self.store.get(name)
            except ReleaseMissing:  # on its way
                continue
            used |= {release.detector.endpoint, release.segmenter.endpoint}
        return used
