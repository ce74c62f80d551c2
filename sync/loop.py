"""The loop's concerns: corrections become a run, an approved package becomes the release, open tasks follow it.

Each looks at what is there now and does the next thing, once; doing it again, late or twice at once changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from phenoloop.chain.release import Release
from phenoloop.chain.releases import ReleaseStore
from phenoloop.errors import NothingToLearn, PhenoloopError, RegistryFailed, RunMissing
from phenoloop.labelling.client import LabelStudio
from phenoloop.publishing.publishing import publish
from phenoloop.settings import Settings
from sync.annotations import annotation_id
from sync.catalogue import Catalogue, Changes
from sync.following import Following
from sync.index import Index
from sync.label_studio import Exports
from sync.metrics import SyncMetrics
from sync.open_tasks import OpenTasks
from sync.photos import NewPhotos
from sync.pipeline.parameters import Value
from sync.policy import Decision, Pending, decide, nothing_to_learn
from sync.publication import Publication
from sync.registry import ChainPackage
from sync.release.concern import STARTING_S, ReleaseConcern
from sync.release.releaser import Releaser
from sync.runs import Run, Runs
from sync.snapshot import SnapshotStore

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient


class Loop:
    """What one sync worker works with. The methods named like concerns return in how many seconds to look again."""

    def __init__(
        self,
        *,
        s3: S3Client,
        sagemaker: SageMakerClient,
        label_studio: LabelStudio,
        snapshots: SnapshotStore,
        runs: Runs,
        releases: ReleaseStore,
        releaser: Releaser,
        open_tasks: OpenTasks,
        settings: Settings,
        metrics: SyncMetrics | None = None,
    ) -> None:
        self._s3 = s3
        self.snapshots, self.runs, self.releases = snapshots, runs, releases
        self.releaser, self.open_tasks, self.settings = releaser, open_tasks, settings
        self.metrics = metrics or SyncMetrics()
        self._exports = Exports(label_studio, snapshots)
        self._publication = Publication(lambda live: publish(live, settings), settings.retraining.sweep_every_s)
        self._new_photos = NewPhotos(s3, label_studio, settings.storage.bucket)
        self._catalogue: Catalogue | None = None
        self._compared: tuple[Catalogue, Index, Changes] | None = None
        """The last two, and what changed: most sweeps find nothing."""
        self._list_again_s = 0.0
        self.decided: tuple[Decision, Pending] | None = None
        """At the last look at the annotations; the console shows it."""
        self.decisions = ReleaseConcern(sagemaker, releaser, settings, self.metrics, asked_by=self._asked_by)
        """What should be live, and who decides."""
        self._following = Following(
            open_tasks, releases, releaser.rollouts, settings, self.metrics, led_to=self._led_to_the_live_one
        )
        self._log = structlog.get_logger()

    # Annotations -> run

    def annotation_changed(self, key: str) -> None:
        """Look at this one object. Raises TaskInvalid (it is no annotation), AnnotationMissing, StorageUnavailable."""
        number = annotation_id(key)
        catalogue = self._now_known(self._known_catalogue().after(key))
        self._log.info("annotation changed", annotation=number, is_there=key in catalogue.objects)

    def annotations(self) -> float:
        """List, compare, and request a run if the policy says so."""
        if is_sweep := time.monotonic() >= self._list_again_s:
            self._listed()
        runs = self.runs.list()
        if is_sweep and (unstarted := self.runs.unstarted(runs)):
            self._start(unstarted)
        self.decided = decision, pending = self.decision(runs)
        self._log.info("annotations looked at", changed=pending.count, due=decision.due, reason=decision.reason)
        if decision.due:
            try:
                self.retrain(decision.reason, by_itself=True)
            except NothingToLearn as error:  # the snapshot is made: as long as it would be the same, no run is due
                self._log.info("no run", reason=str(error))
                self.decided = decision, pending = nothing_to_learn(pending), pending
        sweep_s = max(self._list_again_s - time.monotonic(), 0.0)
        return sweep_s if decision.wait_s is None else min(sweep_s, max(decision.wait_s, 0.1))

    def decision(self, known: Sequence[Run] | None = None) -> tuple[Decision, Pending]:
        """What the policy says of the annotations as they are known. One run at a time: each has to beat the last.

        `known` runs spare listing them.
        """
        now, runs = datetime.now(UTC), self.runs.list() if known is None else known
        pending, working = self._pending(runs), self.runs.working(runs)
        if working is not None:
            return Decision(due=False, reason=f"{pending.count} changed annotations; run {working.name} works"), pending
        decision = decide(pending, self.runs.started_today(now, runs), self.settings.retraining, now)
        if decision.due and self._would_learn_nothing():
            return nothing_to_learn(pending), pending
        if decision.due and self.decisions.is_under_way():
            reason = f"{decision.reason}; waits for the release that is under way"
            return Decision(due=False, reason=reason, wait_s=STARTING_S), pending
        return decision, pending

    def retrain(
        self, reason: str, *, by_itself: bool, parameters: Mapping[str, Value] | None = None
    ) -> tuple[Run, bool]:
        """Request the run of all annotations as they are now; whether it is new. `parameters` win over the settings'.

        Raises ReleaseMissing (nothing to beat), NothingToLearn, SettingsInvalid, and what S3 and SageMaker raise.
        """
        with self.metrics.timed("snapshot"):
            snapshot = self.snapshots.build(self._listed())
        if not snapshot.teaches:
            raise NothingToLearn(
                "There is nothing to learn from yet.",
                cure="Annotate some photos; about six in ten of them are trained on.",
                photos=sum(snapshot.photos.values()),
                left_out=snapshot.left_out,
            )
        with self.metrics.timed("run request"):
            return self.runs.request(
                snapshot, self.releases.live(), reason=reason, by_itself=by_itself, parameters=parameters
            )

    def _pending(self, runs: Sequence[Run]) -> Pending:
        """Against the latest snapshot; if nobody has trained on that (a worker died, a run failed), all of it."""
        latest = self.snapshots.latest()
        is_done = latest is not None and self.runs.is_done_with(latest.name, runs)
        catalogue, index = self._known_catalogue(), self.snapshots.index(latest if is_done else None)
        if self._compared is None or self._compared[0] is not catalogue or self._compared[1] is not index:
            self._compared = catalogue, index, catalogue.changes_since(index)
        changes = self._compared[2]
        self.metrics.saw(len(catalogue.objects), changes)
        return Pending(len(changes), changes.first_at, changes.last_at)

    def _would_learn_nothing(self) -> bool:
        """The latest snapshot has nothing to train on, and one made now would be the same."""
        latest = self.snapshots.latest()
        if latest is None or latest.teaches or latest.may_heal:
            return False
        return not self._known_catalogue().changes_since(self.snapshots.index(latest))

    def _known_catalogue(self) -> Catalogue:
        return self._catalogue or self._listed()

    def _listed(self) -> Catalogue:
        """All there is now."""
        storage = self.settings.storage
        with self.metrics.timed("list"):
            catalogue = Catalogue.listed(self._s3, storage.bucket, storage.annotations_prefix, before=self._catalogue)
        self._list_again_s = time.monotonic() + self.settings.retraining.sweep_every_s
        return self._now_known(catalogue)

    def _now_known(self, catalogue: Catalogue) -> Catalogue:
        before, self._catalogue = self._catalogue, catalogue
        if before is not None and before is not catalogue:
            fresh = [found for key, found in catalogue.objects.items() if before.objects.get(key) != found]
            self.metrics.learnt_of([found.last_modified for found in fresh])
        return catalogue

    def _start(self, run: Run) -> None:
        """Whoever asked for it died before it told SageMaker, or was refused."""
        try:
            self.runs.start(run)
        except RegistryFailed as error:  # one that SageMaker will never take is in no other's way
            self._log.error("run can't be started", run=run.name, error=str(error))

    # Package -> release -> open tasks

    def release(self) -> float:
        """Bring what was decided for a step nearer to being live."""
        return self.decisions.look()

    def tasks(self) -> float:
        """Have open tasks predicted that are behind the release that is live for their project."""
        return self._following.look()

    def approve(self, package: ChainPackage, reason: str) -> None:
        """Raises RegistryFailed, SageMakerUnavailable."""
        self.decisions.approve(package, reason)

    def reject(self, package: ChainPackage, reason: str) -> None:
        """Raises RegistryFailed, SageMakerUnavailable, and what S3 raises."""
        self.decisions.reject(package, reason)

    def packages(self) -> list[ChainPackage]:
        """Newest first. Raises RegistryFailed, SageMakerUnavailable."""
        return self.decisions.packages()

    def newest_approved(self) -> ChainPackage | None:
        """Raises RegistryFailed, SageMakerUnavailable."""
        return self.decisions.newest_approved()

    def live(self) -> Release | None:
        """The pointer's release. Raises StorageUnavailable."""
        return self.decisions.live()

    def _asked_by(self, run: str | None) -> str | None:
        """The id under which the run was asked for; None if there is none, or it left nothing."""
        try:
            return self.runs.get(run).trace_id if run else None
        except RunMissing:
            return None

    def _led_to_the_live_one(self) -> str | None:
        live = self.live()
        package = next((package for package in self.packages() if live and package.arn == live.package_arn), None)
        return self._asked_by(package.run) if package else None

    # Release -> Loc360

    def module(self) -> float:
        """Have the live release's module published, if the settings name a remote."""
        if not self.settings.loc360.remote:
            return self.settings.retraining.sweep_every_s
        return self._publication.look(self.live())

    # Photos -> tasks

    def photos(self) -> float:
        """Have Label Studio make tasks of photos that came to the bucket."""
        return self._new_photos.look(self.open_tasks.projects) or self.settings.retraining.exports_every_s

    # Label Studio's own list

    def exports(self) -> float:
        """Have Label Studio export again what it has and S3 lacks: it exports once, on save, without retry."""
        catalogue, failed = self._listed(), []
        for project in self.open_tasks.projects():
            try:
                self._exports.compare(project.id, catalogue)
            except PhenoloopError as error:  # one project is in no other's way
                failed.append(error)
        if failed:
            raise failed[0]
        return self.settings.retraining.exports_every_s
