"""The ledger: what a thing of the loop came from, and what came of it, from what is stored and nothing else."""

from __future__ import annotations

from typing import Any

from phenoloop.errors import (
    AnnotationMissing,
    PredictionMissing,
    RegistryFailed,
    ReleaseMissing,
    RunMissing,
    TaskInvalid,
)
from phenoloop.ledger.after import After
from phenoloop.ledger.before import Before
from phenoloop.ledger.facts import package_link, prediction_link, release_link, run_link
from phenoloop.ledger.links import Fact, Link, Trace
from phenoloop.ledger.stored import Stored
from sync.annotations import Annotation


def trace_annotation(stored: Stored, number: int, *, every: bool = False) -> Trace:
    """Raises AnnotationMissing if neither Label Studio nor S3 nor any snapshot knows it."""
    saved, gaps = stored.label_studio.annotation(number), []
    exported, is_there = _exported(stored, number)
    if saved is None:
        gaps.append("It is not in Label Studio any more.")
    if exported is None:
        gaps.append("Its object in S3 can't be read as an annotation." if is_there else "It is not in S3.")
    task = exported.task.id if exported else saved["task"] if saved else None
    shown = stored.label_studio.predictions(task) if task is not None else []
    after = After(stored, shown=shown).of_annotation(number)
    if saved is None and not is_there and not any("split" in link.facts or "left_out" in link.facts for link in after):
        cure = "Its number is shown in Label Studio's editor; it is not the task's."
        raise AnnotationMissing(
            "There is no such annotation, and nothing that is stored knows of one.", cure=cure, annotation=number
        )
    if not after:
        gaps.append("No snapshot knows it yet.")
    parent = saved["parent_prediction"] if saved else None
    parent = parent or (exported.parent_prediction if exported else None)
    before = (Before(stored, every=every).prediction(parent),) if parent else ()
    return Trace(Link("annotation", str(number), _facts(saved, exported), tuple(gaps)), before, after)


def trace_prediction(stored: Stored, number: int, *, every: bool = False) -> Trace:
    """Raises PredictionMissing."""
    values = stored.label_studio.prediction(number)
    if values is None:
        cure = "Superseded predictions of open tasks are deleted; ask for the annotation or the release."
        raise PredictionMissing("Label Studio has no such prediction.", cure=cure, prediction=number)
    before = Before(stored, every=every).of_prediction(values)
    return Trace(prediction_link(values), before, After(stored).of_prediction(values))


def trace_release(stored: Stored, name: str, *, every: bool = False) -> Trace:
    """`live` is the live one. Raises ReleaseMissing."""
    release = stored.releases.get(stored.live if name == "live" else name)
    if release is None:
        raise ReleaseMissing(
            "No such release is stored.", cure="Its name is a prediction's model version.", release=name
        )
    before, gaps = Before(stored, every=every).of_release(release)
    return Trace(release_link(stored, release, gaps=gaps), before, After(stored, every=every).of_release(release))


def trace_package(stored: Stored, version: int, *, every: bool = False) -> Trace:
    """Raises RegistryFailed if there is none."""
    package = next((package for package in stored.packages.values() if package.version == version), None)
    if package is None:
        raise RegistryFailed("There is no such version.", cure="See `phenoloop releases list`.", version=version)
    before, gaps = Before(stored, every=every).of_package(package)
    after, more = After(stored, every=every).of_package(package)
    return Trace(package_link(package, gaps=(*gaps, *more)), before, after)


def trace_run(stored: Stored, name: str, *, every: bool = False) -> Trace:
    """Raises RunMissing."""
    run = stored.runs.get(name)
    if run is None:
        raise RunMissing("No such run was asked for.", cure="See `phenoloop runs list`.", run=name)
    return Trace(run_link(stored, run), Before(stored, every=every).of_run(run), After(stored, every=every).of_run(run))


def _exported(stored: Stored, number: int) -> tuple[Annotation | None, bool]:
    """What is in S3, None if it is no annotation; and whether anything is."""
    found = stored.snapshots.annotation(number)
    if found is None:
        return None, False
    try:
        return found.annotation(), True
    except TaskInvalid:
        return None, True


def _facts(saved: dict[str, Any] | None, exported: Annotation | None) -> dict[str, Fact]:
    if exported is not None:
        photo = _photo(exported)
        task, project, skipped = exported.task.id, exported.project, exported.was_cancelled
        return {
            "task": task,
            "project": project,
            "photo": photo,
            "saved_at": f"{exported.updated_at.isoformat():.19}",
            "skipped": skipped,
        }
    if saved is None:
        return {}
    return {"task": saved["task"], "project": saved["project"], "skipped": saved["was_cancelled"]}


def _photo(annotation: Annotation) -> str | None:
    try:
        return annotation.task.photo
    except TaskInvalid:
        return None
