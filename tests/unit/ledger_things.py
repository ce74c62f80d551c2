"""A loop's past in memory: annotations, snapshots, runs, packages, releases and predictions, made one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

from phenoloop.chain.releases import Release, StageEndpoint
from phenoloop.errors import RegistryFailed
from phenoloop.labelling.client import LabelStudio, SavedAnnotation, SavedAnnotations, Task
from phenoloop.ledger.links import Trace
from phenoloop.ledger.stored import Stored, stages
from sync.registry import PENDING, ChainArtifacts, ChainPackage
from sync.runs import Run, Runs
from tests.unit.annotation_objects import START, Annotated
from tests.unit.fake_models import manifest
from tests.unit.fake_s3 import FakeS3

PROJECT = 1
AT = datetime(2026, 3, 1, tzinfo=UTC)


class Desk:
    """A Label Studio of one project, whose tasks are numbered as their photos."""

    def __init__(self) -> None:
        self.predicted: dict[int, dict[str, Any]] = {}
        self.annotated: dict[int, dict[str, Any]] = {}

    def annotation(self, annotation_id: int) -> dict[str, Any] | None:
        return self.annotated.get(annotation_id)

    def prediction(self, prediction_id: int) -> dict[str, Any] | None:
        return self.predicted.get(prediction_id)

    def predictions(self, task_id: int) -> list[dict[str, Any]]:
        return [values for values in self.predicted.values() if values["task"] == task_id]

    def model_versions(self, project_id: int) -> dict[str, int]:
        return dict(Counter(str(values["model_version"]) for values in self.predicted.values()))

    def tasks(self, project_id: int, *, with_version: str) -> list[Task]:
        known = {values["task"] for values in self.predicted.values() if values["model_version"] == with_version}
        return [Task(id_, {}) for id_ in sorted(known)]

    def saved_annotations(self, project_id: int, *, ids: Sequence[int]) -> Iterator[SavedAnnotations]:
        for task_id in ids:
            of_task = (values for values in self.annotated.values() if values["task"] == task_id)
            yield SavedAnnotations(task_id, tuple(map(SavedAnnotation.model_validate, of_task)))


class Records:
    """What the runs' folders hold."""

    def __init__(self) -> None:
        self.verdicts: dict[str, str] = {}

    def evaluation(self, run: Run) -> dict[str, Any] | None:
        return {"verdict": self.verdicts[run.name]} if run.name in self.verdicts else None

    def status(self, run: Run) -> str:
        raise RegistryFailed("SageMaker refused.")


class Past:
    """What happened, and what is left of it."""

    def __init__(self) -> None:
        self.annotated, self.desk, self.records = Annotated(FakeS3(), "loop"), Desk(), Records()
        self.runs: dict[str, Run] = {}
        self.packages: dict[str, ChainPackage] = {}
        self.releases: dict[str, Release] = {}
        self.live = ""
        self._numbers, self._versions = count(100), count(1)

    def stored(self) -> Stored:
        return Stored(
            runs=self.runs,
            packages=self.packages,
            releases=self.releases,
            live=self.live,
            run_folders="s3://loop/runs/",
            records=cast("Runs", self.records),
            snapshots=self.annotated.store,
            label_studio=cast("LabelStudio", self.desk),
            predictions={PROJECT: self.desk.model_versions(PROJECT)},
        )

    def annotate(self, photo: int, *, parent: int | None = None, skipped: bool = False) -> int:
        """The annotation's number, later ones having higher ones and counting more."""
        number = next(self._numbers)
        at = START.replace(microsecond=number).isoformat()
        marks = {"was_cancelled": skipped, "ground_truth": False, "parent_prediction": parent, "updated_at": at}
        uri = self.annotated.photo(f"{photo}.jpg")
        self.annotated.save(number, uri, task={"id": photo, "data": {"image": uri}}, **marks)
        self.desk.annotated[number] = {"id": number, "task": photo, "project": PROJECT, **marks}
        return number

    def delete(self, annotation: int) -> None:
        """Everywhere, as Label Studio does."""
        self.annotated.delete(annotation)
        del self.desk.annotated[annotation]

    def train(self, *, verdict: str = "better") -> Run:
        """On what is annotated now."""
        snapshot, name = self.annotated.build(), f"run{len(self.runs) + 1}"
        self.runs[name] = Run(
            name=name,
            snapshot=snapshot.name,
            index=snapshot.index,
            photos={str(split): count for split, count in snapshot.photos.items()},
            parameters={},
            live_release=self.live,
            reason="a test",
            by_itself=True,
            requested_at=AT,
        )
        self.records.verdicts[name] = verdict
        return self.runs[name]

    def register(self, run: Run | None = None, *, keep_segmenter_of: ChainPackage | None = None) -> ChainPackage:
        """What the run made; of no run, what came from outside."""
        folder = f"runs/{run.name}/models" if run else "artifacts"
        version = next(self._versions)
        kept = keep_segmenter_of.artifacts.segmenter_url if keep_segmenter_of else ""
        package = ChainPackage(
            arn=f"arn:{version}",
            version=version,
            image="image",
            artifacts=ChainArtifacts(
                f"s3://loop/{folder}/detector{version}.tar.gz",
                kept or f"s3://loop/{folder}/segmenter{version}.tar.gz",
                "s3://loop/manifest.json",
            ),
            status=PENDING,
            status_reason="",
            description="",
            run=run.name if run else None,
            snapshot_url=None,
            registered_at=AT,
            decided_at=AT,
        )
        self.packages[package.arn] = package
        return package

    def release(self, package: ChainPackage) -> Release:
        """Which is then live."""
        urls = stages(package)
        places = {role: StageEndpoint(endpoint=f"{role}{package.version}", model_data_url=urls[role]) for role in urls}
        release = Release.named(package_arn=package.arn, manifest=manifest("").to_dict(), **places)
        self.releases[release.name], self.live = release, release.name
        return release

    def predict(self, photo: int, release: Release) -> int:
        """The prediction's number."""
        number = next(self._numbers)
        values = {"id": number, "task": photo, "project": PROJECT, "model_version": release.name}
        self.desk.predicted[number] = values | {"score": 0.9, "created_at": AT.isoformat()}
        return number


def reached(trace: Trace) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Kind and name of everything before and after."""
    before, after = (
        {(link.kind, link.name) for first in side for link in first.walk()} for side in (trace.before, trace.after)
    )
    return before, after


def gaps(trace: Trace) -> list[str]:
    links = [trace.thing, *(link for first in (*trace.before, *trace.after) for link in first.walk())]
    return [gap for link in links for gap in link.gaps]
