"""The simulated annotator at work: opens tasks, saves what it decides, and, for the control, mixes everything up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phenoloop.demo.proof.annotator import Decision, Habits, Shares, decisions
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.drawing import on_another_photo, saved_result, truth_result
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.demo.proof.steps import StepFailed
from phenoloop.labelling.annotated import decode_regions
from phenoloop.labelling.config import LabellingConfig


@dataclass(frozen=True, slots=True)
class Saved:
    """One annotation that the annotator made."""

    annotation_id: int
    photo: KnownPhoto
    made: tuple[Decision, ...]


def annotate(
    desk: Desk,
    config: LabellingConfig,
    photos: Sequence[KnownPhoto],
    *,
    model_version: str,
    on_saved: Callable[[int], None] = lambda _: None,
) -> list[Saved]:
    """Annotate each photo's task, starting from its pre-annotation. `on_saved` hears how many are done.

    Raises StepFailed if a task is missing or shows no pre-annotation of `model_version`, and what the desk raises.
    """
    tasks = desk.tasks_by_photo()
    saved = []
    for photo in photos:
        if photo.name not in tasks:
            raise StepFailed("A photo has no task.", photo=photo.name)
        saved.append(annotate_one(desk, config, photo, tasks[photo.name], model_version=model_version))
        on_saved(len(saved))
    return saved


def annotate_one(desk: Desk, config: LabellingConfig, photo: KnownPhoto, task_id: int, *, model_version: str) -> Saved:
    started_s = time.monotonic()
    task = desk.open_task(task_id)
    if task.model_version != model_version:
        raise StepFailed(
            "A task shows no pre-annotation of the live release.", task=task_id, shown=task.model_version or "nothing"
        )
    made = decisions(decode_regions(task.result), photo.objects, Habits())
    result = saved_result(made, task.result, config, photo)
    annotation_id = desk.save(task, result, lead_time_s=time.monotonic() - started_s)
    return Saved(annotation_id, photo, tuple(made))


def shares(saved: Sequence[Saved]) -> Shares:
    return Shares.of(decision for one in saved for decision in one.made)


def mix_up(desk: Desk, config: LabellingConfig, saved: Sequence[Saved], seed: int) -> None:
    """Replace every annotation by the truth of another photo."""
    for one, source in shuffled(saved, seed).items():
        photo, other = saved[one].photo, saved[source].photo
        objects = [on_another_photo(known, other, photo) for known in other.objects]
        desk.replace(saved[one].annotation_id, truth_result(objects, config, photo))


def shuffled(saved: Sequence[object], seed: int) -> Mapping[int, int]:
    """Index -> the index whose content it gets: one great circle in random order, so that none keeps its own."""
    if len(saved) < 2:
        raise StepFailed("One annotation can't be shuffled.")
    circle = np.random.default_rng(seed).permutation(len(saved)).tolist()
    return {int(one): int(source) for one, source in zip(circle, circle[1:] + circle[:1], strict=True)}
