"""What is stored of the loop, as it is now: nothing else is asked, and nothing is kept for the ledger alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from phenoloop.chain.release import Release
from phenoloop.errors import ReleaseMissing
from phenoloop.labelling.client import LabelStudio
from sync.loop import Loop
from sync.registry import ChainPackage
from sync.runs import Run, Runs
from sync.snapshot import SnapshotStore

Stages = Mapping[str, str]
"""Role -> where the model lies that serves it."""


@dataclass(frozen=True)
class Stored:
    """Runs, packages and releases, read once, and where to ask for the rest."""

    runs: Mapping[str, Run]
    """By name, oldest first."""
    packages: Mapping[str, ChainPackage]
    """By ARN, newest first."""
    releases: Mapping[str, Release]
    """By name."""
    live: str
    """Name of the live release; empty if there is none."""
    run_folders: str
    """Below it each run has a folder of its name, in which lies what it made."""
    records: Runs
    snapshots: SnapshotStore
    label_studio: LabelStudio
    predictions: Mapping[int, Mapping[str, int]]
    """How many of each release there are in each project whose annotations come to our bucket."""

    @classmethod
    def of(cls, loop: Loop) -> Stored:
        """One request for each run, package and release, three for each project, and a few for their lists.

        Raises what S3, SageMaker and Label Studio raise if one of them can't be asked.
        """
        storage, label_studio = loop.settings.storage, loop.open_tasks.label_studio
        return cls(
            runs={run.name: run for run in loop.runs.list()},
            packages={package.arn: package for package in loop.packages()},
            releases=loop.releases.published(),
            live=_live(loop),
            run_folders=f"s3://{storage.bucket}/{storage.runs_prefix}",
            records=loop.runs,
            snapshots=loop.snapshots,
            label_studio=label_studio,
            predictions={project.id: label_studio.model_versions(project.id) for project in loop.open_tasks.projects()},
        )

    def makers(self, stages: Stages) -> dict[str, list[str]]:
        """Run -> the roles whose model it made; the empty name stands for models that no run made.

        A run may leave a stage as it was, so the models of one chain may be of several runs.
        """
        made: dict[str, list[str]] = defaultdict(list)
        for role, url in stages.items():
            made[self._run_of(url)].append(role)
        return dict(made)

    def packages_of(self, run: str) -> dict[str, list[str]]:
        """ARNs of packages that the run registered or whose models it made, with the roles it made."""
        made = {arn: self.makers(stages(package)).get(run, []) for arn, package in self.packages.items()}
        return {arn: roles for arn, roles in made.items() if roles or self.packages[arn].run == run}

    def releases_of(self, package_arn: str) -> list[Release]:
        """One package may be released again with other code around its models."""
        return [release for release in self.releases.values() if release.package_arn == package_arn]

    def releases_without_package(self, run: str) -> list[Release]:
        """With models of the run, but of no package that is in the registry."""
        unknown = (release for release in self.releases.values() if release.package_arn not in self.packages)
        return [release for release in unknown if run in self.makers(stages(release))]

    def _run_of(self, url: str) -> str:
        inside = url.startswith(self.run_folders)
        return url.removeprefix(self.run_folders).partition("/")[0] if inside else ""


def stages(thing: ChainPackage | Release) -> Stages:
    if isinstance(thing, Release):
        return {"detector": thing.detector.model_data_url, "segmenter": thing.segmenter.model_data_url}
    return {"detector": thing.artifacts.detector_url, "segmenter": thing.artifacts.segmenter_url}


def _live(loop: Loop) -> str:
    try:
        return loop.releases.pointer().release
    except ReleaseMissing:
        return ""
