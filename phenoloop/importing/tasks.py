"""The tasks of the photos to import: those that are there, and the missing ones made.

Where one of the project's source storages holds the photo, it makes the task: it does not know tasks that were made
otherwise, and its next sync would make another one of the same photo.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from phenoloop.errors import LabelStudioUnavailable
from phenoloop.labelling.client import LabelStudio, Task
from phenoloop.labelling.storages import is_at_work

AT_ONCE = 200
SYNC_TIMEOUT_S = 1800.0
_LOOK_EVERY_S = 2.0


def tasks_by_photo(label_studio: LabelStudio, project_id: int, image_key: str) -> dict[str, Task]:
    """By the photo's url; of several tasks of one photo the first."""
    tasks: dict[str, Task] = {}
    for task in label_studio.tasks(project_id):
        tasks.setdefault(str(task.data.get(image_key)), task)
    return tasks


def make_tasks(
    label_studio: LabelStudio, project_id: int, image_key: str, photos: Mapping[str, Mapping[str, Any]]
) -> None:
    """For each photo, by url, with what else its data hold. None of them may have a task yet.

    Raises LabelStudioUnavailable, LabelStudioRefused.
    """
    storages = [s for s in label_studio.photo_storages(project_id) if any(_holds(s, url) for url in photos)]
    for storage in storages:
        _wait(label_studio, project_id, int(storage["id"]))  # sync may have asked, too
        label_studio.sync_photo_storage(int(storage["id"]))
        _wait(label_studio, project_id, int(storage["id"]))
    there = tasks_by_photo(label_studio, project_id, image_key) if storages else {}
    missing = [{image_key: url, **data} for url, data in photos.items() if url not in there]
    for at in range(0, len(missing), AT_ONCE):
        label_studio.import_tasks(project_id, missing[at : at + AT_ONCE])


def complete_data(label_studio: LabelStudio, task: Task, data: Mapping[str, Any]) -> None:
    """Add what the task's data lack or have otherwise."""
    if any(task.data.get(name) != value for name, value in data.items()):
        label_studio.update_task_data(task.id, {**task.data, **data})


def open_task_ids(label_studio: LabelStudio, project_id: int, tasks: Iterable[Task]) -> set[int]:
    """Those of the tasks that nobody annotated or skipped."""
    ids = [task.id for task in tasks]
    return {task.id for task in label_studio.tasks(project_id, ids=ids, only_open=True)}


def _holds(storage: Mapping[str, Any], url: str) -> bool:
    prefix = str(storage["prefix"] or "").rstrip("/")
    return url.startswith(f"s3://{storage['bucket']}/{prefix}/" if prefix else f"s3://{storage['bucket']}/")


def _wait(label_studio: LabelStudio, project_id: int, storage_id: int) -> None:
    """Until no sync of it is under way."""
    until_s = time.monotonic() + SYNC_TIMEOUT_S
    while time.monotonic() < until_s:
        (storage,) = [s for s in label_studio.photo_storages(project_id) if int(s["id"]) == storage_id]
        if not is_at_work(storage):
            return
        time.sleep(_LOOK_EVERY_S)
    raise LabelStudioUnavailable("Label Studio's source storage does not come to the end of its sync.", id=storage_id)
