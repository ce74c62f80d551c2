"""Forwards: annotation -> snapshots -> runs -> packages -> releases -> predictions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from phenoloop.chain.release import Release
from phenoloop.errors import SnapshotMissing
from phenoloop.ledger.facts import package_link, prediction_link, release_link, run_link
from phenoloop.ledger.links import Fact, Link
from phenoloop.ledger.stored import Stored
from sync.annotations import annotation_id
from sync.index import Entry, Index, State
from sync.registry import ChainPackage
from sync.runs import Run
from sync.threads import in_threads

THREADS = 8
"""An index of a hundred thousand annotations is tens of megabytes."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A snapshot and its runs."""

    name: str
    index: str
    """Its SHA-256; empty if the runs' records lack it."""
    runs: tuple[Run, ...]


class After:
    """`every`: list each annotation made from a release's predictions, which costs a request for each of its tasks.

    `shown`: predictions as Label Studio tells them, listed with the releases that made them.
    """

    def __init__(self, stored: Stored, *, every: bool = False, shown: list[dict[str, Any]] | None = None) -> None:
        self._stored, self._every, self._shown = stored, every, shown or []

    def of_annotation(self, number: int) -> tuple[Link, ...]:
        """Every snapshot that knows the annotation, also those that leave it out. One request for each index."""
        links = in_threads(lambda known: self._snapshot(number, known), self._snapshots(), threads=THREADS)
        return tuple(link for link in links if link is not None)

    def of_run(self, run: Run) -> tuple[Link, ...]:
        made = self._stored.packages_of(run.name)
        known = [(self._stored.packages[arn], roles) for arn, roles in made.items()]
        packages = (package_link(package, *self.of_package(package), made=roles) for package, roles in known)
        alone = (self._release(release) for release in self._stored.releases_without_package(run.name))
        return *packages, *alone

    def of_package(self, package: ChainPackage) -> tuple[tuple[Link, ...], tuple[str, ...]]:
        """With gaps."""
        releases = tuple(self._release(release) for release in self._stored.releases_of(package.arn))
        return releases, () if releases else ("It was never released.",)

    def of_release(self, release: Release) -> tuple[Link, ...]:
        return *self._counts(release), *self._shown_of(release)

    def of_prediction(self, values: dict[str, Any]) -> tuple[Link, ...]:
        """Annotations that were made from it, with what came of each."""
        (task,) = self._stored.label_studio.saved_annotations(int(values["project"]), ids=[int(values["task"])])
        made = [one.id for one in task.annotations if one.parent_prediction == values["id"]]
        return tuple(Link("annotation", str(number), links=self.of_annotation(number)) for number in made)

    def _snapshots(self) -> list[_Known]:
        """With the runs of each; the latest one too, which may have none yet."""
        runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for run in self._stored.runs.values():
            runs[run.snapshot, run.index].append(run)
        latest = self._stored.snapshots.latest()
        if latest is not None and latest.name not in {name for name, _ in runs}:
            runs[latest.name, latest.index] = []
        return [_Known(name, index, tuple(of_it)) for (name, index), of_it in runs.items()]

    def _snapshot(self, number: int, known: _Known) -> Link | None:
        """None if it does not know the annotation."""
        try:
            index = self._stored.snapshots.index_about(self._index_digest(known), number)
        except SnapshotMissing as error:
            gap = f"Nobody can tell any more whether it holds the annotation. {error}"
            return Link("snapshot", known.name, gaps=(gap,))
        key = next((key for key in index.entries if annotation_id(key) == number), None)
        if key is None:
            return None
        entry = index.entries[key]
        facts: dict[str, Fact] = {"as_saved_at": f"{entry.updated_at.isoformat():.19}" if entry.updated_at else None}
        if index.winners.get(entry.photo) != key:
            return Link("snapshot", known.name, facts | {"left_out": _why_left_out(index, entry)})
        links = tuple(run_link(self._stored, run, self.of_run(run)) for run in known.runs)
        gaps = () if links else ("No run has learnt from it yet.",)
        return Link("snapshot", known.name, facts | {"split": entry.split}, gaps, links)

    def _index_digest(self, known: _Known) -> str:
        return known.index or self._stored.snapshots.get(known.name).index

    def _release(self, release: Release) -> Link:
        return release_link(self._stored, release, self.of_release(release))

    def _counts(self, release: Release) -> Iterator[Link]:
        for project, counts in self._stored.predictions.items():
            if count := counts.get(release.name, 0):
                made = tuple(self._made_from(project, release)) if self._every else ()
                yield Link("predictions", str(count), {"project": project}, links=made)

    def _shown_of(self, release: Release) -> Iterator[Link]:
        return (prediction_link(values) for values in self._shown if values["model_version"] == release.name)

    def _made_from(self, project: int, release: Release) -> Iterator[Link]:
        """The predictions of the release that became annotations, each with these."""
        label_studio = self._stored.label_studio
        tasks = [task.id for task in label_studio.tasks(project, with_version=release.name)]
        for task in label_studio.saved_annotations(project, ids=tasks):
            children: dict[int, list[Link]] = defaultdict(list)
            for saved in task.annotations:
                if saved.parent_prediction is not None:
                    children[saved.parent_prediction].append(Link("annotation", str(saved.id), {"task": task.task_id}))
            for values in label_studio.predictions(task.task_id) if children else ():
                if values["model_version"] == release.name and values["id"] in children:
                    yield prediction_link(values, children[values["id"]])


def _why_left_out(index: Index, entry: Entry) -> str:
    if entry.state is State.USABLE:
        return f"superseded by annotation {annotation_id(index.winners[entry.photo])}"
    return f"{entry.state.value.replace('_', ' ')}. {entry.reason}" if entry.reason else entry.state.value
