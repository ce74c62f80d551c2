"""Generated photos for a proof, drawn by its seed."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from phenoloop.demo.proof.known import KnownObject, KnownPhoto, Plan, Subjects
from phenoloop.demo.proof.label_config import DEMO
from phenoloop.demo.proof.roles import enough_to_annotate, is_tested
from phenoloop.demo.scenes import Scene, SceneInstance, render_mixture, save_scene
from phenoloop.labelling.geometry import cut_to_content

WIDTH_PX, HEIGHT_PX = 1280, 960
WHOLE_SHARE = 0.98  # of which an object must be seen for its size to be measurable
TESTS, OPEN = 32, 2  # tests are cheap, and the more there are, the narrower the intervals


@dataclass(frozen=True, slots=True)
class SceneSeeds:
    """Which scenes play which part. Scenes of different seeds are different."""

    open: tuple[int, ...]
    annotated: tuple[int, ...]
    tests: tuple[int, ...]
    judged_on: int
    """How many of the annotated ones the pipeline keeps for its own test."""


def scene_seeds(seed: int, images_prefix: str) -> SceneSeeds:
    """Drawn by the proof's seed, which also names the photos and so decides the pipeline's split."""
    fresh = _fresh_seeds(seed)
    open_, tests = (tuple(next(fresh) for _ in range(number)) for number in (OPEN, TESTS))

    def judged_on(scene: int) -> bool:
        return is_tested(None, f"{images_prefix}{_name(scene)}.jpg")

    annotated = tuple(enough_to_annotate(fresh, judged_on))
    return SceneSeeds(open=open_, annotated=annotated, tests=tests, judged_on=sum(map(judged_on, annotated)))


class SceneStudio:
    """Renders scenes into `folder` with all cores, in the order asked for. `with` it, else processes stay."""

    def __init__(self, folder: Path, seeds: SceneSeeds) -> None:
        self.plan = Plan(
            open=len(seeds.open),
            annotated=len(seeds.annotated),
            judged_on=seeds.judged_on,
            shuffled=len(seeds.annotated) - seeds.judged_on,  # no scene is empty
            tests=len(seeds.tests),
        )
        context = get_context("spawn")  # shares neither our signal handlers nor our locks
        self._pool = ProcessPoolExecutor(mp_context=context)
        with _interrupts_ignored():
            self._open, self._annotated, self._tests = (
                [self._pool.submit(_rendered, folder / part, scene) for scene in scenes]
                for part, scenes in (("open", seeds.open), ("annotated", seeds.annotated), ("tests", seeds.tests))
            )

    def label_config(self) -> str:
        return (DEMO / "masks.xml").read_text()

    def open_photos(self) -> list[KnownPhoto]:
        """Once they are rendered; they come first."""
        return _results(self._open)

    def subjects(self) -> Subjects:
        """Once all are rendered."""
        return Subjects(
            open=_results(self._open),
            annotated=_results(self._annotated),
            tests=_results(self._tests),
        )

    def __enter__(self) -> SceneStudio:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def known_photo(scene: Scene, path: Path) -> KnownPhoto:
    height_px, width_px = scene.photo.shape[:2]
    return KnownPhoto(
        name=path.name,
        path=path,
        width_px=width_px,
        height_px=height_px,
        objects=tuple(_known_object(instance) for instance in scene.instances if instance.mask.any()),
        mm_per_px=scene.mm_per_px,
    )


def _known_object(instance: SceneInstance) -> KnownObject:
    mask, (x, y) = cut_to_content(instance.mask, (0, 0))
    height, width = mask.shape
    whole = instance.visible_share >= WHOLE_SHARE
    return KnownObject(
        label=instance.label,
        box_px=(x, y, x + width, y + height),
        mask=mask,
        origin_px=(x, y),
        length_mm=instance.length_mm if whole else None,
        width_mm=instance.width_mm if whole else None,
    )


def _rendered(folder: Path, seed: int) -> KnownPhoto:
    scene = render_mixture(seed, width_px=WIDTH_PX, height_px=HEIGHT_PX)
    return known_photo(scene, save_scene(scene, folder))


def _results(photos: Sequence[Future[KnownPhoto]]) -> list[KnownPhoto]:
    return [photo.result() for photo in photos]


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes started meanwhile go on ignoring Ctrl-C: it is their parent that stops them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _fresh_seeds(seed: int) -> Iterator[int]:
    """No two alike, and above those of the demo's own photos."""
    return count(int(np.random.default_rng(seed).integers(10_000, 900_000)))


def _name(scene: int) -> str:
    """As `save_scene` calls it."""
    return f"scene_{scene:06d}"
