"""Before anyone is served: what was really asked lately goes through the new chain, too, and is compared.

What was asked are the newest predictions of the live release that Label Studio has stored: their photos, and what the
live chain found in them. Only what is surely broken is refused here; which chain is better, its evaluation said.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from loc360.errors import Loc360Error
from loc360.wire import Box
from phenoloop.chain.chain import flow_of
from phenoloop.chain.flow import Invoker
from phenoloop.chain.images import ImageStore
from phenoloop.chain.release import Release
from phenoloop.errors import (
    ImageMissing,
    ImageRefused,
    LabellingConfigInvalid,
    PhenoloopError,
    ShadowFailed,
    TaskInvalid,
)
from phenoloop.labelling.annotated import decode_regions
from phenoloop.labelling.config import parse_labelling_config
from phenoloop.labelling.records import Project
from phenoloop.settings import ReleaseSettings
from sync.open_tasks import OpenTasks
from sync.release.overlap import matches
from sync.threads import in_threads

SIDE_BY_SIDE = 2
"""Photos at once: annotators use the live endpoints meanwhile."""
PLENTY = 10
"""So many objects the live chain must have found before it counts that the new one finds few."""
NOTICEABLE_S = 1.0
"""Times below are not compared."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One prediction that Label Studio has stored."""

    photo: str
    boxes: tuple[Box, ...]
    """Of the objects, in pixels of the upright photo."""


@dataclass(frozen=True, slots=True)
class Answer:
    boxes: tuple[Box, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the new chain, and again the live one, made of a photo: None where it failed."""

    new: Answer | None
    live: Answer | None
    failure: str
    """Of the new one."""


@dataclass(frozen=True, slots=True)
class Shadow:
    open_tasks: OpenTasks
    images: ImageStore
    endpoints: Invoker
    settings: ReleaseSettings

    def compare(self, release: Release, live: Release) -> dict[str, Any]:
        """What was seen. Raises ShadowFailed, and what may pass as it comes (retryable): of Label Studio, S3, and the
        new chain's endpoints.
        """
        asked = self.newest(live.name)
        if not asked:
            return {"photos": 0, "skipped": "nothing to replay"}
        replays = in_threads(lambda item: self._replay(item, release, live), asked, threads=SIDE_BY_SIDE)
        facts = _facts([(a, replayed) for a, replayed in zip(asked, replays, strict=True) if replayed is not None])
        structlog.get_logger().info("shadow compared", release=release.name, live=live.name, **facts)
        self._judge(facts)
        return facts

    def newest(self, version: str) -> list[Asked]:
        """Of all projects, the newest tasks' predictions; those that can't be read are left out.

        Raises LabelStudioUnavailable, LabelStudioRefused.
        """
        count, label_studio = self.settings.shadow_photos, self.open_tasks.label_studio
        if not count:
            return []
        tasks = [
            (task, project)
            for project in self.open_tasks.projects()
            for task in label_studio.newest_tasks(project.id, with_version=version, count=count)
        ]
        tasks.sort(key=lambda pair: pair[0].id, reverse=True)
        predicted = ((task, project, label_studio.predictions(task.id)) for task, project in tasks[:count])
        found = (_asked(task.data, project, predictions, version) for task, project, predictions in predicted)
        return [asked for asked in found if asked is not None]

    def _replay(self, asked: Asked, release: Release, live: Release) -> Replayed | None:
        """None if the photo is gone."""
        try:
            with self.images.fetch(asked.photo) as image:
                live_answer, _ = self._answer(live, str(image.path))
                answer, error = self._answer(release, str(image.path))
        except (ImageMissing, ImageRefused):
            return None
        if isinstance(error, PhenoloopError) and error.retryable:
            raise error
        return Replayed(answer, live_answer, str(error or ""))

    def _answer(self, release: Release, photo: str) -> tuple[Answer | None, Exception | None]:
        started_s = time.perf_counter()
        try:
            objects = flow_of(release).run(photo, {"manifest": release.manifest}, self.endpoints)["objects"]
        except (Loc360Error, PhenoloopError) as error:
            return None, error
        return Answer(tuple(Box(*item["box_px"]) for item in objects), time.perf_counter() - started_s), None

    def _judge(self, facts: dict[str, Any]) -> None:
        settings, photos = self.settings, facts["photos"]
        if facts["failures"] > settings.shadow_failures * photos:
            raise ShadowFailed("The new chain fails on photos that the live one has predicted.", **facts)
        if facts["objects_live"] >= PLENTY and facts["objects"] < settings.shadow_found * facts["objects_live"]:
            raise ShadowFailed("The new chain finds hardly anything of what the live one finds.", **facts)
        allowed_s = max(settings.shadow_slower * facts["median_s_live"], NOTICEABLE_S)
        if facts["median_s"] > allowed_s:
            raise ShadowFailed("The new chain is far slower than the live one.", **facts)


def _asked(
    data: Mapping[str, Any], project: Project, predictions: Sequence[Mapping[str, Any]], version: str
) -> Asked | None:
    """None if the prediction is gone, or not of a form that we know."""
    result = next((p.get("result") for p in predictions if p["model_version"] == version), None)
    try:
        photo = data.get(parse_labelling_config(project.label_config).image_key)
        regions = decode_regions(result or [])
    except (LabellingConfigInvalid, TaskInvalid):
        return None
    if result is None or not isinstance(photo, str):
        return None
    return Asked(photo, tuple(Box(*region.box_px) for region in regions if not region.parent_id))


def _facts(told: Sequence[tuple[Asked, Replayed]]) -> dict[str, Any]:
    answered = [(asked.boxes, replayed.new) for asked, replayed in told if replayed.new]
    both = [(replayed.new.seconds, replayed.live.seconds) for _, replayed in told if replayed.new and replayed.live]
    stored = sum(len(boxes) for boxes, _ in answered)
    same = sum(matches(boxes, answer.boxes) for boxes, answer in answered)
    failures = [replayed.failure for _, replayed in told if replayed.failure]
    return {
        "photos": len(told),
        "failures": len(failures),
        "objects_live": stored,
        "objects": sum(len(answer.boxes) for _, answer in answered),
        "found_again": round(same / stored, 3) if stored else None,
        "median_s": round(statistics.median([new for new, _ in both] or [0.0]), 3),
        "median_s_live": round(statistics.median([live for _, live in both] or [0.0]), 3),
        **({"first_failure": failures[0]} if failures else {}),
    }
