"""A data set's photos, dealt out: some to annotate, some left open, and whole groups held out to test on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from phenoloop.demo.proof.coco import CocoPhotos
from phenoloop.demo.proof.known import KnownPhoto, Plan, Subjects
from phenoloop.demo.proof.label_config import demo_config
from phenoloop.demo.proof.roles import LEAST_ANNOTATED, LEAST_TESTS, enough_to_annotate, is_tested
from phenoloop.errors import SettingsInvalid

OPEN = 2
FEWEST_PHOTOS = 12


class DataSet:
    """Deals the photos out by the proof's seed. Raises SettingsInvalid if there are too few."""

    def __init__(self, coco: CocoPhotos, seed: int, images_prefix: str) -> None:
        if len(coco.photos) < FEWEST_PHOTOS or not coco.labels:
            raise SettingsInvalid(
                "The data set is too small for a proof.",
                cure=f"Give at least {FEWEST_PHOTOS} photos, with annotations.",
                photos=len(coco.photos),
            )
        tests, rest = _held_out(coco.photos, np.random.default_rng(seed))
        open_, candidates = rest[:OPEN], rest[OPEN:]

        def judged_on(photo: KnownPhoto) -> bool:
            return is_tested(photo.group, images_prefix + photo.name)

        annotated = list(enough_to_annotate(candidates, judged_on))
        self._coco, self._subjects = coco, Subjects(open=open_, annotated=annotated, tests=tests)
        self.plan = Plan(len(open_), len(annotated), sum(map(judged_on, annotated)), len(tests))

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
    """Whole groups until they make LEAST_TESTS photos, or a third if the set is small; and all others."""
    groups: dict[str, list[KnownPhoto]] = defaultdict(list)
    for photo in photos:
        groups[photo.group or f"photo {photo.name}"].append(photo)
    enough = len(photos) >= LEAST_TESTS + LEAST_ANNOTATED + OPEN
    wanted = LEAST_TESTS if enough else len(photos) // 3
    tests: list[KnownPhoto] = []
    rest: list[KnownPhoto] = []
    for name in rng.permutation(sorted(groups)).tolist():
        (tests if len(tests) < wanted else rest).extend(groups[name])
    if len(rest) < OPEN + 2:
        raise SettingsInvalid("One group holds nearly all photos of the data set.", cure="Split it into groups.")
    return tests, [rest[index] for index in rng.permutation(len(rest))]
