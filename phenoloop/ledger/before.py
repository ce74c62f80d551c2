"""Backwards: prediction -> release -> package -> runs -> snapshot -> annotations."""

from __future__ import annotations

from typing import Any

from phenoloop.chain.release import Release
from phenoloop.errors import SnapshotMissing
from phenoloop.ledger.facts import annotation_link, package_link, prediction_link, release_link, run_link
from phenoloop.ledger.links import Link
from phenoloop.ledger.stored import Stages, Stored, stages
from sync.annotations import annotation_id
from sync.registry import ChainPackage
from sync.runs import Run

OUTSIDE = "Its {} {} made outside the loop, by no run."


class Before:
    """`every`: list each annotation of a snapshot, which costs a request, instead of counting them."""

    def __init__(self, stored: Stored, *, every: bool = False) -> None:
        self._stored, self._every = stored, every

    def prediction(self, number: int) -> Link:
        """The prediction with what it came from."""
        values = self._stored.label_studio.prediction(number)
        if values is None:
            gap = "It is not in Label Studio any more, and only there it is told which release made it."
            return Link("prediction", str(number), gaps=(gap,))
        return prediction_link(values, self.of_prediction(values))

    def of_prediction(self, values: dict[str, Any]) -> tuple[Link, ...]:
        version = str(values["model_version"] or "")
        release = self._stored.releases.get(version)
        if release is None:
            return (
                Link("release", version or "unnamed", gaps=("No such release is stored: it came from elsewhere.",)),
            )
        return (release_link(self._stored, release, *self.of_release(release)),)

    def of_release(self, release: Release) -> tuple[tuple[Link, ...], tuple[str, ...]]:
        """With gaps."""
        package = self._stored.packages.get(release.package_arn)
        if package is not None:
            return (package_link(package, *self.of_package(package)),), ()
        links, gaps = self._makers(stages(release))
        known = f"Its package is not in the registry any more: {release.package_arn}."
        return links, (known if release.package_arn else "Endpoints that someone else deployed, adopted.", *gaps)

    def of_package(self, package: ChainPackage) -> tuple[tuple[Link, ...], tuple[str, ...]]:
        """With gaps."""
        return self._makers(stages(package), registered_by=package.run)

    def of_run(self, run: Run) -> tuple[Link, ...]:
        facts: dict[str, Any] = dict(run.photos)
        try:
            snapshot = self._stored.snapshots.get(run.snapshot)
            facts |= {"regions": snapshot.regions, "labels": list(snapshot.labels)}
            links = self._annotations(run.index or snapshot.index) if self._every else ()
        except SnapshotMissing as error:
            return (Link("snapshot", run.snapshot, facts, gaps=(f"Its files are not all there any more. {error}",)),)
        return (Link("snapshot", run.snapshot, facts, links=links),)

    def _makers(self, of: Stages, *, registered_by: str | None = None) -> tuple[tuple[Link, ...], tuple[str, ...]]:
        makers = self._stored.makers(of)
        outside = makers.pop("", [])
        if registered_by:
            makers.setdefault(registered_by, [])
        was = "were" if len(outside) > 1 else "was"
        gaps = (OUTSIDE.format(" and ".join(outside), was),) if outside else ()
        return tuple(self._maker(run, roles) for run, roles in makers.items()), gaps

    def _maker(self, name: str, roles: list[str]) -> Link:
        run = self._stored.runs.get(name)
        if run is None:
            return Link("run", name, {"made_its": roles}, gaps=("Its record is not there any more.",))
        return run_link(self._stored, run, self.of_run(run), made=roles)

    def _annotations(self, index_digest: str) -> tuple[Link, ...]:
        index = self._stored.snapshots.index_of(index_digest)
        counting = sorted((annotation_id(key), index.entries[key]) for key in index.winners.values())
        return tuple(annotation_link(number, entry, entry.split) for number, entry in counting)
