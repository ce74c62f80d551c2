"""What should be live, what is, and how the one becomes the other: the newest decision counts.

People and the pipeline decide in the model registry, by approving and rejecting; who adopts endpoints decides by that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from phenoloop.chain.release import Release
from phenoloop.errors import (
    AlarmRaised,
    EndpointRefused,
    EndpointUnavailable,
    NotAChain,
    RegistryFailed,
    ReleaseMissing,
    ShadowFailed,
    SmokeTestFailed,
)
from phenoloop.logs import traced
from phenoloop.settings import Settings
from sync.metrics import SyncMetrics
from sync.registry import ChainPackage, approve, newest_approved, packages, reject
from sync.release.choice import Choice, identity, is_live
from sync.release.releaser import Releaser
from sync.release.retirement import Retirement
from sync.release.rollouts import Outcome, Rollout, Rollouts

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient

REFUSED = (EndpointRefused, SmokeTestFailed, ShadowFailed, AlarmRaised, NotAChain)
"""Another look would find the same."""
GIVE_UP_S = 900.0
"""On endpoints that are in service and fail at the smoke test, each time since they first did."""
STARTING_S = 2.0
"""Between two looks at endpoints that start."""
WATCHING_S = 10.0
"""Between two looks at the alarms of a canary or of a release that just went live."""


class ReleaseConcern:
    def __init__(
        self,
        sagemaker: SageMakerClient,
        releaser: Releaser,
        settings: Settings,
        metrics: SyncMetrics,
        *,
        asked_by: Callable[[str | None], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`asked_by`: run -> the id under which it was asked for."""
        self._sagemaker, self._releaser, self._retirement = sagemaker, releaser, Retirement.of(releaser)
        self._settings, self._metrics, self._asked_by = settings, metrics, asked_by
        self._clock = clock
        self._failing_since_s: dict[tuple[str, datetime], float] = {}
        """Of the decision that was failing at the last look, by what was decided for and when."""
        self._log = structlog.get_logger()

    def look(self) -> float:
        """Bring what was decided for a step nearer to being live; in how many seconds to look again.

        What fails is rejected, so that the decision before counts again.
        """
        choice = self.choice()
        if choice is None:
            self._retirement.look(self._releaser.pointer(), None)
            return self._settings.retraining.sweep_every_s
        run = choice.run if isinstance(choice, ChainPackage) else None
        with traced(self._asked_by(run)), structlog.contextvars.bound_contextvars(run=run):
            return self._look(choice)

    def _look(self, choice: Choice) -> float:
        try:
            with self._metrics.timed("release"):
                rollout = self._releaser.advance(choice)
        except (*REFUSED, EndpointUnavailable) as error:
            if isinstance(error, EndpointUnavailable) and not self._has_failed_for_long(choice):
                raise
            self._failing_since_s.clear()
            return self._give_up(choice, str(error))
        self._failing_since_s.clear()
        if rollout.has_failed:  # whoever noted it died before the registry was told
            self._end(choice, rollout.outcome, rollout.reason)
            return STARTING_S
        if (live := self.live()) is not None:
            self._releaser.publish_manifest(live)
        self._retirement.look(self._releaser.pointer(), rollout.release)
        return self._pause_s(rollout)

    def _pause_s(self, rollout: Rollout) -> float:
        if rollout.step("shadow") is None:
            return STARTING_S
        sweep_s = self._settings.retraining.sweep_every_s
        return sweep_s if rollout.step("watched") else min(WATCHING_S, sweep_s)

    # What should be live

    def choice(self, *, but_for: Choice | None = None) -> Choice | None:
        """The newest approved package, or endpoints that were adopted after it was approved.

        Raises RegistryFailed, SageMakerUnavailable, StorageUnavailable.
        """
        package = self._newest_but_for(but_for) if isinstance(but_for, ChainPackage) else self.newest_approved()
        adopted = (rollout for rollout in self.rollouts.list() if rollout.adopted and not rollout.has_failed)
        newest = next((r for r in adopted if not isinstance(but_for, Rollout) or r.release != but_for.release), None)
        return newest if newest and (package is None or newest.decided_at > package.decided_at) else package

    def is_under_way(self) -> bool:
        """Whether something else should be live than is."""
        choice = self.choice()
        return choice is not None and not is_live(choice, self.live())

    def newest_approved(self) -> ChainPackage | None:
        """Raises RegistryFailed, SageMakerUnavailable."""
        return newest_approved(self._sagemaker, self._settings.training.package_group)

    def packages(self) -> list[ChainPackage]:
        """Newest first. Raises RegistryFailed, SageMakerUnavailable."""
        return packages(self._sagemaker, self._settings.training.package_group)

    def live(self) -> Release | None:
        """The pointer's release. Raises StorageUnavailable."""
        try:
            return self._releaser.store.live()
        except ReleaseMissing:
            return None

    @property
    def rollouts(self) -> Rollouts:
        return self._releaser.rollouts

    # Decisions

    def approve(self, package: ChainPackage, reason: str) -> None:
        """Raises RegistryFailed, SageMakerUnavailable."""
        approve(self._sagemaker, package.arn, reason=reason)

    def reject(self, package: ChainPackage, reason: str) -> None:
        """Raises RegistryFailed, SageMakerUnavailable, and what S3 raises."""
        self._end(package, "rolled back" if is_live(package, self.live()) else "refused", reason)

    def roll_back(self, reason: str) -> Choice:
        """Withdraw what is live; what takes its place at the next look, in seconds if its endpoints are still up.

        Raises ReleaseMissing (nothing is live), RegistryFailed (something else is on its way, or nothing could take its
        place), and what S3 and SageMaker raise.
        """
        current, live = self.choice(), self.live()
        if live is None or current is None:
            raise ReleaseMissing("Nothing that was decided for is live.", cure="See `phenoloop releases list`.")
        if not is_live(current, live):
            raise RegistryFailed(
                "A newer chain is approved and on its way.",
                cure="Reject it first, with `phenoloop releases reject`.",
                chain=identity(current),
            )
        before = self.choice(but_for=current)
        if before is None:
            raise RegistryFailed(
                "No other chain is approved, so nothing could take its place.",
                cure="Approve one with `phenoloop releases approve`.",
                live=live.name,
            )
        self._end(current, "rolled back", reason)
        return before

    def _give_up(self, choice: Choice, reason: str) -> float:
        """A release that is live already gives way only to another one."""
        was_live = is_live(choice, live := self.live())
        if live and was_live and self.choice(but_for=choice) is None:
            self._log.error("live release does badly, and there is none to go back to", reason=reason)
            self.rollouts.note(live.name, "watched", alarm=reason, kept="no other chain is approved")
            return self._settings.retraining.sweep_every_s
        self._log.error("package can't be released", package=identity(choice), was_live=was_live, error=reason)
        self._end(choice, "rolled back" if was_live else "refused", reason)
        return STARTING_S

    def _end(self, choice: Choice, outcome: Outcome, reason: str) -> None:
        """First the record, then what follows from it: a look that finds the record makes up for the rest."""
        for release in self._releases(choice):
            self.rollouts.end(release, outcome, reason)
            if self._releaser.pointer():
                self._releaser.store.withdraw_canary(release)
        if isinstance(choice, ChainPackage):
            reject(self._sagemaker, choice.arn, reason=reason)

    def _releases(self, choice: Choice) -> list[str]:
        """On their way or live, that are this package's; more than one if the module's code changed."""
        if isinstance(choice, Rollout):
            return [choice.release]
        return [r.release for r in self.rollouts.list() if r.package_arn == choice.arn and r.outcome in ("", "live")]

    def _newest_but_for(self, package: ChainPackage) -> ChainPackage | None:
        return next((other for other in self.packages() if other.approved and other.arn != package.arn), None)

    def _has_failed_for_long(self, choice: Choice) -> bool:
        """Its endpoints are in service, but don't answer a photo."""
        decision, now_s = (identity(choice), choice.decided_at), self._clock()
        self._failing_since_s = {decision: self._failing_since_s.get(decision, now_s)}
        return now_s - self._failing_since_s[decision] > GIVE_UP_S
