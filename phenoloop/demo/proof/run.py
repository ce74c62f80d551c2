"""One proof from nothing: its photos, its stack, its steps, and the end of the stack whatever happens."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from phenoloop.demo.programs import IMAGES
from phenoloop.demo.proof.coco import read_coco
from phenoloop.demo.proof.dataset import DataSet
from phenoloop.demo.proof.findings import Findings
from phenoloop.demo.proof.generated import SceneStudio, scene_seeds
from phenoloop.demo.proof.known import KnownPhoto, Plan, Subjects
from phenoloop.demo.proof.proof import Proof
from phenoloop.demo.proof.roles import LEAST_TESTS, MINIMUM_TEST_PHOTOS
from phenoloop.demo.proof.stack import ProofStack
from phenoloop.demo.proof.steps import Steps
from phenoloop.errors import PhenoloopError

TIME_LIMIT_S = 150
"""Of each model's training: two cores and ten minutes for two runs."""
MOST_CHANGES = 20
"""Annotations that make a run; fewer if the control changes fewer."""


@dataclass(frozen=True, slots=True)
class Ask:
    folder: Path
    """Empty; everything goes there."""
    seed: int
    dataset: Path | None
    images: Path | None
    with_control: bool


class Material(Protocol):
    """Photos that are known, perhaps not all yet."""

    plan: Plan

    def label_config(self) -> str: ...

    def open_photos(self) -> Sequence[KnownPhoto]: ...

    def subjects(self) -> Subjects: ...


def prove(ask: Ask, tell: Callable[[str], None], tell_now: Callable[[str], None]) -> Findings:
    """What came of it, failed steps included. `tell` hears what is done, `tell_now` what is being done.

    Raises SettingsInvalid if the data set can't be used.
    """
    findings = Findings(ask.seed)
    steps = Steps(tell, tell_now)
    findings.step_seconds = steps.seconds
    with _material(ask) as material:
        findings.plan(material.plan)
        tell(_planned(material.plan))
        noted = partial(failures_noted, findings, tell)
        with noted(), _stack(ask, material, steps, noted) as stack, noted():
            with steps.step("Stack started"):
                doors = stack.start()
            with steps.step("All photos ready"):
                subjects = material.subjects()
            Proof(doors, subjects, findings, steps, loop_says=stack.loop).run(with_control=ask.with_control)
    return findings


@contextmanager
def failures_noted(findings: Findings, tell: Callable[[str], None]) -> Iterator[None]:
    """A step that fails ends what is done in here, and is one more reason why the proof does not hold."""
    try:
        yield
    except PhenoloopError as error:
        findings.failures.append(str(error))
        tell(f"failed: {error}")


def _planned(plan: Plan) -> str:
    few = "" if plan.tests >= LEAST_TESTS else f" (the data set has too few for {LEAST_TESTS})"
    return (
        f"{plan.annotated} photos to annotate, {plan.judged_on} of them in the pipeline's test split; "
        f"{plan.open} to leave open; {plan.tests} test photos{few}"
    )


def _material(ask: Ask) -> AbstractContextManager[Material]:
    if ask.dataset is None or ask.images is None:
        return SceneStudio(ask.folder / "photos", scene_seeds(ask.seed, IMAGES))
    return DataSet(read_coco(ask.dataset, ask.images), ask.seed, IMAGES)


@contextmanager
def _stack(
    ask: Ask, material: Material, steps: Steps, noted: Callable[[], AbstractContextManager[None]]
) -> Iterator[ProofStack]:
    """With the open photos for a start; down at the end; `noted` keeps that from hiding another failure."""
    images, config = ask.folder / "first-photos", ask.folder / "labels.xml"
    images.mkdir(parents=True)
    with steps.step("First photos ready"):
        for photo in material.open_photos():
            shutil.copyfile(photo.path, images / photo.name)
    config.write_text(material.label_config())
    stack = ProofStack(
        ask.folder / "stack",
        options=("--images", str(images), "--label-config", str(config)),
        minimum_changes=min(MOST_CHANGES, material.plan.shuffled),
        parameters={
            "TimeLimitS": TIME_LIMIT_S,
            "MinimumTestPhotos": MINIMUM_TEST_PHOTOS,
            "Seed": ask.seed,
        },
    )
    try:
        yield stack
    finally:
        with noted(), steps.step("Stack stopped"):
            stack.stop()
