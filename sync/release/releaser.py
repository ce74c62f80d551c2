"""The way of a chain to being live, step by step.

Each look takes the steps that can be taken now and notes them in the rollout's record. Every step is safe to repeat and
to do twice at once, so a worker that dies at any point leaves nothing that another can't finish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from phenoloop.chain.release import Release, StageEndpoint
from phenoloop.chain.releases import Pointer, ReleaseStore
from phenoloop.errors import AlarmRaised, NotAChain, RegistryFailed, ReleaseMissing
from phenoloop.settings import ReleaseSettings, StorageSettings, TrainingSettings
from sync.registry import ROLES, ChainPackage, chain_package
from sync.release.alarms import Alarms
from sync.release.choice import Choice
from sync.release.hosting import Hosting
from sync.release.manifests import package_manifest, publish_manifest
from sync.release.rollouts import Rollout, Rollouts
from sync.release.shadow import Shadow
from sync.release.smoke import SmokeTest

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient

Facts = dict[str, Any]
NOTHING_TO_COMPARE = {"skipped": "no other release is live, or this one was just before"}


@dataclass(frozen=True, slots=True)
class Releaser:
    """Makes packages and adopted endpoints live."""

    s3: S3Client
    sagemaker: SageMakerClient
    store: ReleaseStore
    rollouts: Rollouts
    hosting: Hosting
    alarms: Alarms
    smoke: SmokeTest
    shadow: Shadow
    storage: StorageSettings
    training: TrainingSettings
    settings: ReleaseSettings

    def advance(self, choice: Choice) -> Rollout:
        """Take the steps that can be taken now. The live release is left as it is until the last of them.

        Raises, if it can't go live: RegistryFailed (not approved), NotAChain, EndpointRefused, SmokeTestFailed,
        ShadowFailed, AlarmRaised; and what may pass: SageMakerUnavailable, EndpointUnavailable, StorageUnavailable,
        LabelStudioUnavailable, CloudWatchUnavailable, WriteConflict.
        """
        if isinstance(choice, ChainPackage) and not choice.approved:
            raise RegistryFailed("The model package is not approved.", cure="Approve it first.", package=choice.arn)
        release = self.release_of(choice)
        rollout = self.rollouts.begin(
            release,
            decided_at=choice.decided_at,
            is_live=self._live_name() == release.name,
            adopted=isinstance(choice, Rollout),
        )
        if rollout.has_failed:
            return rollout
        way = _Way(self, choice, release, rollout)
        for name, take in way.steps().items():
            if rollout.step(name) is None:
                facts = take()
                if facts is None:
                    break
                rollout = self.rollouts.note(release.name, name, **facts)
        return rollout

    def release_of(self, choice: Choice) -> Release:
        """Raises NotAChain if its manifest is missing or garbled, ReleaseMissing, RegistryFailed."""
        if isinstance(choice, Rollout):
            return self.store.get(choice.release)
        urls = dict(zip(ROLES, (choice.artifacts.detector_url, choice.artifacts.segmenter_url), strict=True))
        stages = {
            role: StageEndpoint(endpoint=self.hosting.name(role, url, choice.image), model_data_url=url)
            for role, url in urls.items()
        }
        manifest = package_manifest(self.s3, self.storage.bucket, choice.artifacts.manifest_url)
        try:
            return Release.named(package_arn=choice.arn, manifest=manifest, **stages)
        except (ValueError, TypeError, AttributeError) as error:
            raise NotAChain("The package's manifest can't be read.", package=choice.arn) from error

    def publish_manifest(self, release: Release) -> bool:
        """As the live one's; whether it was news. Raises BucketMissing, StorageUnavailable."""
        return publish_manifest(self.s3, self.storage, release)

    def pointer(self) -> Pointer | None:
        """None if nothing was ever live. Raises StorageUnavailable."""
        try:
            return self.store.pointer()
        except ReleaseMissing:
            return None

    def _live_name(self) -> str | None:
        pointer = self.pointer()
        return pointer.release if pointer else None


@dataclass(frozen=True, slots=True)
class _Way:
    """One look at one rollout. A step returns what it saw, or None if it must be waited for."""

    releaser: Releaser
    choice: Choice
    release: Release
    rollout: Rollout

    def steps(self) -> Mapping[str, Callable[[], Facts | None]]:
        """In their order."""
        return {
            "endpoints": self.endpoints,
            "alarms": self.alarms,
            "smoke": self.smoke,
            "shadow": self.shadow,
            "canary": self.canary,
            "live": self.live,
            "published": self.published,
            "watched": self.watched,
        }

    def endpoints(self) -> Facts | None:
        hosting, names = self.releaser.hosting, self.rollout.endpoints
        if isinstance(self.choice, ChainPackage):
            for name, stage in zip(names, (self.release.detector, self.release.segmenter), strict=True):
                hosting.ensure(name, stage.model_data_url, self.choice.image)
        in_service = [hosting.is_in_service(name) for name in names]  # each is asked: one may have failed
        if not all(in_service):
            return None
        if isinstance(self.choice, ChainPackage):
            for name in names:
                hosting.scale(name)
        return {"detector": names[0], "segmenter": names[1]}

    def alarms(self) -> Facts | None:
        if self.rollout.adopted:
            return {"skipped": "the endpoints are someone else's"}
        for name, role in zip(self.rollout.endpoints, ROLES, strict=True):
            self.releaser.alarms.ensure(name, role)
        return {}

    def smoke(self) -> Facts | None:
        if self._is_live():
            return {"skipped": "it is live already"}
        run = self.choice.run if isinstance(self.choice, ChainPackage) else None
        return self.releaser.smoke.pass_through(self.release, run)

    def shadow(self) -> Facts | None:
        live = self._to_compare_with()
        return self.releaser.shadow.compare(self.release, live) if live else NOTHING_TO_COMPARE

    def canary(self) -> Facts | None:
        """A few projects first. Raises AlarmRaised."""
        settings, store, live = self.releaser.settings, self.releaser.store, self._to_compare_with()
        if live is None:
            return NOTHING_TO_COMPARE
        if not settings.canary_projects:
            return {"skipped": "no project is one"}
        store.publish(self.release)
        canary = store.start_canary(self.release.name, settings.canary_projects).canary
        self._require_quiet(but_for=live)
        since = canary.since if canary else datetime.now(UTC)
        if datetime.now(UTC) - since < timedelta(seconds=settings.canary_s):
            return None
        return {"projects": list(settings.canary_projects), "since": since.isoformat()}

    def live(self) -> Facts | None:
        """None if someone thought better of it meanwhile."""
        store, before = self.releaser.store, self.releaser.pointer()
        if (
            isinstance(self.choice, ChainPackage)
            and not chain_package(self.releaser.sagemaker, self.choice.arn).approved
        ):
            return None
        store.publish(self.release)
        store.move_pointer(self.release.name)
        structlog.get_logger().info("release live", release=self.release.name, package=self.release.package_arn)
        return {"instead_of": before.release} if before and before.release != self.release.name else {}

    def published(self) -> Facts | None:
        return {"manifest_was_new": self.releaser.publish_manifest(self.release)}

    def watched(self) -> Facts | None:
        """Raises AlarmRaised."""
        pointer, settings = self.releaser.pointer(), self.releaser.settings
        if pointer is None or pointer.release != self.release.name:
            return None
        if pointer.previous:
            self._require_quiet(but_for=self.releaser.store.get(pointer.previous))
        if datetime.now(UTC) - pointer.moved_at < timedelta(seconds=settings.watch_s):
            return None
        drifting = self.releaser.alarms.ringing(self.rollout.endpoints, ("drift",))
        return {"drifting": list(drifting)} if drifting else {}

    def _require_quiet(self, *, but_for: Release) -> None:
        """An endpoint that the other release has, too, is no fault of this one. Raises AlarmRaised."""
        others = {but_for.detector.endpoint, but_for.segmenter.endpoint}
        ringing = self.releaser.alarms.ringing([name for name in self.rollout.endpoints if name not in others])
        for alarm, reason in ringing.items():
            raise AlarmRaised("An alarm of the new chain is raised.", alarm=alarm, reason=reason)

    def _is_live(self) -> bool:
        pointer = self.releaser.pointer()
        return pointer is not None and pointer.release == self.release.name

    def _to_compare_with(self) -> Release | None:
        """The live release; None if there is none, or if this one is or was just live itself, before records were
        kept.
        """
        pointer = self.releaser.pointer()
        known = {pointer.release, *([pointer.previous] if self.rollout.attempt == 1 else [])} if pointer else set()
        return self.releaser.store.live() if pointer and self.release.name not in known else None
