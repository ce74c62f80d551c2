"""A data set's photos, dealt out: some to annotate, some left open, and whole groups held out to test on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from urllib.parse import quote

import numpy as np

from phenoloop.demo.proof.coco import CocoPhotos
from phenoloop.demo.proof.known import KnownPhoto, Plan, Subjects
from phenoloop.demo.proof.label_config import demo_config
from phenoloop.demo.proof.roles import (
    LEAST_JUDGED,
    LEAST_JUDGED_GROUPS,
    LEAST_TESTS,
    enough_to_annotate,
    is_tested,
    judged_on,
)
from phenoloop.errors import SettingsInvalid
from sync.split import split_of

OPEN = 2
FEWEST_PHOTOS = 15
LEFT_TO_ANNOTATE = 16
"""With fewer, not all LEAST_TESTS are held out."""
DEALS = 200
"""Tried at most, for one of which the pipeline has enough to judge on and most to learn from."""


class DataSet:
    """Deals the photos out by the proof's seed. Raises SettingsInvalid if there are too few, or too few groups."""

    def __init__(self, coco: CocoPhotos, seed: int, images_prefix: str) -> None:
        if len(coco.photos) < FEWEST_PHOTOS or not coco.labels:
            raise SettingsInvalid(
                "The data set is too small for a proof.",
                cure=f"Give at least {FEWEST_PHOTOS} photos, with annotations.",
                photos=len(coco.photos),
            )
        tests, rest = _held_out(coco.photos, np.random.default_rng(seed))
        open_, candidates = rest[:OPEN], rest[OPEN:]
        annotated = _dealt(candidates, seed, images_prefix)
        judges = {photo.name for photo in judged_on(annotated, images_prefix)}
        self._coco, self._subjects = coco, Subjects(open=open_, annotated=annotated, tests=tests)
        self.plan = Plan(
            open=len(open_),
            annotated=len(annotated),
            judged_on=len(judges),
            shuffled=sum(bool(photo.objects) for photo in annotated if photo.name not in judges),
            tests=len(tests),
        )

    def label_config(self) -> str:
        return demo_config(self._coco.labels, with_masks=self._coco.with_masks)

    def open_photos(self) -> Sequence[KnownPhoto]:
        return self._subjects.open

    def subjects(self) -> Subjects:
        return self._subjects

    def __enter__(self) -> DataSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


def _held_out(photos: Sequence[KnownPhoto], rng: np.random.Generator) -> tuple[list[KnownPhoto], list[KnownPhoto]]:
    """Whole groups that make LEAST_TESTS photos, or a third if the set is small; and all others, in random order."""
    groups: dict[str, list[KnownPhoto]] = defaultdict(list)
    for photo in photos:
        groups[_group(photo)].append(photo)
    enough = len(photos) >= LEAST_TESTS + LEFT_TO_ANNOTATE + OPEN
    chosen = _about(LEAST_TESTS if enough else len(photos) // 3, groups, rng.permutation(sorted(groups)).tolist())
    rest = [photo for name in sorted(groups.keys() - chosen) for photo in groups[name]]
    return [photo for name in sorted(chosen) for photo in groups[name]], [rest[i] for i in rng.permutation(len(rest))]


def _about(wanted: int, groups: Mapping[str, Sequence[KnownPhoto]], order: Sequence[str]) -> set[str]:
    """Groups of `wanted` photos: those that fit, in this order, and if they are too few the smallest other one."""
    chosen: set[str] = set()
    count = 0
    for name in order:
        if count + len(groups[name]) <= wanted:
            chosen.add(name)
            count += len(groups[name])
    if count < wanted:
        chosen.add(min((name for name in order if name not in chosen), key=lambda name: len(groups[name])))
    return chosen


def _dealt(candidates: Sequence[KnownPhoto], seed: int, images_prefix: str) -> list[KnownPhoto]:
    """Enough of the photos, under group names by which the pipeline has enough of them to judge on.

    The split hashes the names of groups, so that drawing names until it fits says nothing of what the photos show.
    """
    deals = [_annotated(candidates, f"{seed}-{salt}", images_prefix) for salt in range(DEALS)]
    usable = [deal for deal in deals if _is_usable(deal, images_prefix)]
    if not usable:
        raise SettingsInvalid(
            "The data set can't be dealt so that the pipeline has enough photos to judge on.",
            cure="Give more photos, or photos of more groups.",
            left_to_annotate=len(candidates),
            of_groups=len({_group(photo) for photo in candidates}),
        )
    return min(usable, key=lambda deal: _cost(deal, images_prefix))


def _annotated(candidates: Sequence[KnownPhoto], prefix: str, images_prefix: str) -> list[KnownPhoto]:
    named = [replace(photo, group=f"{prefix}-{quote(_group(photo))}") for photo in candidates]
    return list(enough_to_annotate(named, lambda photo: is_tested(photo.group, images_prefix + photo.name)))


def _is_usable(deal: Sequence[KnownPhoto], images_prefix: str) -> bool:
    """At least a third is judged on, up to LEAST_JUDGED, and at least a third trained on."""
    judges = judged_on(deal, images_prefix)
    least = max(LEAST_JUDGED_GROUPS, min(LEAST_JUDGED, len(deal) // 3))
    trained_on = sum(split_of(photo.group, images_prefix + photo.name) == "train" for photo in deal)
    return len(judges) >= least and len(_telling(judges)) >= LEAST_JUDGED_GROUPS and 3 * trained_on >= len(deal)


def _cost(deal: Sequence[KnownPhoto], images_prefix: str) -> tuple[int, int]:
    """Few photos to judge on leave many to learn from; of more groups they tell more."""
    judges = judged_on(deal, images_prefix)
    return len(judges), -len(_telling(judges))


def _telling(photos: Iterable[KnownPhoto]) -> set[str | None]:
    """Groups that show something."""
    return {photo.group for photo in photos if photo.objects}


def _group(photo: KnownPhoto) -> str:
    return photo.group or f"photo {photo.name}"
