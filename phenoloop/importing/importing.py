"""Existing COCO labels become annotations in Label Studio, and from there go the way of all others.

Each annotation is saved for itself: Label Studio exports what is saved to S3, and tells S3's event, but not what its
bulk import writes. Doing it again goes on where it ended: an annotated task is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from phenoloop.importing.coco import CocoFile, CocoImage
from phenoloop.importing.drawing import Drawn, Wanted, drawn
from phenoloop.importing.outcome import LeftOut, Summary, Unimportable
from phenoloop.importing.photos import Photos, metadata_of
from phenoloop.importing.tasks import complete_data, make_tasks, open_task_ids, tasks_by_photo
from phenoloop.labelling.client import LabelStudio, Task
from phenoloop.labelling.config import LabellingConfig, parse_labelling_config
from sync.threads import in_threads

_THREADS = 8
_ANNOTATORS = 4
"""Annotations that Label Studio saves at a time; its database takes one after the other anyway."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    image: CocoImage
    drawn: Drawn | None = None
    why_not: str = ""
    uploaded: bool = False


class CocoImport:
    """`on_photo` hears of every photo that is done with.

    Both methods raise LabelStudioUnavailable, LabelStudioRefused, StorageUnavailable, BucketMissing and
    LabellingConfigInvalid.
    """

    def __init__(
        self,
        label_studio: LabelStudio,
        project_id: int,
        photos: Photos,
        wanted: Wanted,
        *,
        on_photo: Callable[[], None] = lambda: None,
    ) -> None:
        self._label_studio, self._project_id = label_studio, project_id
        self._photos, self._wanted, self._on_photo = photos, wanted, on_photo

    def rehearsed(self, coco: CocoFile) -> Summary:
        """What `done` would come to; nothing is uploaded or saved."""
        config, tasks, is_done = self._found(coco)
        outcomes = self._checked(coco.images, config, is_done)
        made = sum(item.drawn is not None and self._photos.url(item.image) not in tasks for item in outcomes)
        return _summary(coco, outcomes, is_done, tasks_made=made)

    def done(self, coco: CocoFile) -> Summary:
        config, tasks, is_done = self._found(coco)
        checked = self._checked(coco.images, config, is_done)
        outcomes = list(in_threads(self._put, checked, threads=_THREADS))
        lacking = [item.image for item in outcomes if item.drawn and self._photos.url(item.image) not in tasks]
        if lacking:
            data = {self._photos.url(image): _task_data(image) for image in lacking}
            make_tasks(self._label_studio, self._project_id, config.image_key, data)
            tasks = tasks_by_photo(self._label_studio, self._project_id, config.image_key)

        def annotate(item: _Outcome) -> None:
            self._annotate(item, tasks, config)

        list(in_threads(annotate, outcomes, threads=_ANNOTATORS))
        return _summary(coco, outcomes, is_done, tasks_made=len(lacking))

    def _found(self, coco: CocoFile) -> tuple[LabellingConfig, dict[str, Task], set[str]]:
        """The project's configuration and tasks, and the photos whose tasks are annotated or skipped."""
        config = parse_labelling_config(self._label_studio.project(self._project_id).label_config)
        tasks = tasks_by_photo(self._label_studio, self._project_id, config.image_key)
        known = {url: tasks[url] for image in coco.images if (url := self._photos.url(image)) in tasks}
        still_open = open_task_ids(self._label_studio, self._project_id, known.values())
        return config, tasks, {url for url, task in known.items() if task.id not in still_open}

    def _checked(self, images: Iterable[CocoImage], config: LabellingConfig, is_done: set[str]) -> list[_Outcome]:
        def checked(image: CocoImage) -> _Outcome:
            try:
                self._photos.check(image)
                return _Outcome(image, _counts(drawn(image, config, self._wanted)))
            except Unimportable as error:
                return _Outcome(image, why_not=str(error))

        new = [image for image in images if self._photos.url(image) not in is_done]
        return list(in_threads(checked, new, threads=_THREADS))

    def _put(self, item: _Outcome) -> _Outcome:
        if item.drawn is None:
            return item
        try:
            return _Outcome(item.image, item.drawn, uploaded=self._photos.put(item.image))
        except Unimportable as error:
            return _Outcome(item.image, why_not=str(error))

    def _annotate(self, item: _Outcome, tasks: dict[str, Task], config: LabellingConfig) -> None:
        if item.drawn is not None:
            task = tasks[self._photos.url(item.image)]
            if not item.uploaded or metadata_of(item.image) is None:  # else the photo itself tells
                complete_data(self._label_studio, task, _task_data(item.image))
            self._label_studio.create_annotation(task.id, drawn(item.image, config, self._wanted).result)
        self._on_photo()


def _task_data(image: CocoImage) -> dict[str, Any]:
    given = {"group": image.group, "mm_per_px": image.mm_per_px}
    return {name: value for name, value in given.items() if value is not None}


def _counts(of: Drawn) -> Drawn:
    """Without the result, which is drawn again when it is saved: those of all photos together fit no memory."""
    return Drawn([], of.objects, of.masks, of.too_small)


def _summary(coco: CocoFile, outcomes: Iterable[_Outcome], is_done: set[str], *, tasks_made: int) -> Summary:
    outcomes = list(outcomes)
    made = [item.drawn for item in outcomes if item.drawn is not None]
    return Summary(
        photos=len(coco.images),
        annotated=len(made),
        objects=sum(item.objects for item in made),
        masks=sum(item.masks for item in made),
        uploaded=sum(item.uploaded for item in outcomes),
        tasks_made=tasks_made,
        already_annotated=len(is_done),
        too_small=sum(item.too_small for item in made),
        strays=coco.strays,
        left_out=tuple(LeftOut(item.image.file_name, item.why_not) for item in outcomes if item.drawn is None),
    )
