"""The annotator's desk: Label Studio's API as its editor uses it, with one project open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phenoloop.demo.proof.stack import Doors
from phenoloop.labelling.client import LabelStudio
from phenoloop.labelling.http import Http
from phenoloop.labelling.regions import Result
from phenoloop.labelling.storages import is_at_work

TIMEOUT_S = 120.0  # opening a task may wait for its prediction
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class OpenedTask:
    """A task as the editor shows it."""

    id: int
    prediction_id: int | None
    """None if it has no pre-annotation."""
    model_version: str
    result: list[Result]
    """Of the pre-annotation."""


class Desk:
    """Every method raises LabelStudioRefused or LabelStudioUnavailable."""

    def __init__(self, doors: Doors) -> None:
        self._http = Http(doors.label_studio_url, doors.label_studio_token, timeout_s=TIMEOUT_S, attempts=ATTEMPTS)
        self.label_studio = LabelStudio(doors.label_studio_url, doors.label_studio_token)
        self.project_id = doors.project_id

    def import_photos(self) -> None:
        """Have Label Studio make a task of each photo that lies in the project's source storage."""
        for storage in self.label_studio.photo_storages(self.project_id):
            if not is_at_work(storage):  # sync may have asked, too
                self.label_studio.sync_photo_storage(int(storage["id"]))

    def tasks_by_photo(self) -> dict[str, int]:
        """Photo's file name -> task."""
        tasks = self.label_studio.tasks(self.project_id)
        return {str(task.data["image"]).rpartition("/")[2]: task.id for task in tasks}

    def predicted_by(self, model_version: str) -> int:
        """How many predictions of that version the project's tasks have."""
        return self.label_studio.model_versions(self.project_id).get(model_version, 0)

    def open_task(self, task_id: int) -> OpenedTask:
        """Opening it makes Label Studio ask the backend if there is no prediction yet. Of several the newest shows."""
        task = self._http.get(f"/api/tasks/{task_id}/")
        shown = max(task["predictions"], key=lambda prediction: int(prediction["id"]), default=None)
        if shown is None:
            return OpenedTask(task_id, None, "", [])
        return OpenedTask(task_id, int(shown["id"]), str(shown["model_version"]), list(shown["result"]))

    def save(self, task: OpenedTask, result: Sequence[Result], *, lead_time_s: float) -> int:
        """A new annotation, as the editor's Submit sends it; its id."""
        body: dict[str, Any] = {"result": list(result), "lead_time": round(lead_time_s, 3), "was_cancelled": False}
        if task.prediction_id is not None:
            body["parent_prediction"] = task.prediction_id
        return int(self._http.post(f"/api/tasks/{task.id}/annotations/", body)["id"])

    def replace(self, annotation_id: int, result: Sequence[Result]) -> None:
        """As the editor's Update sends it."""
        self._http.patch(f"/api/annotations/{annotation_id}/", {"result": list(result)})

    def delete(self, annotation_id: int) -> None:
        self._http.delete(f"/api/annotations/{annotation_id}/")

    def prompted(self, backend_id: int, task_id: int, drawn: Result) -> list[Result]:
        """What the connected backend makes of a region drawn with a smart tool; empty if it failed."""
        body = {"task": task_id, "context": {"result": [drawn]}}
        answer = self._http.post(f"/api/ml/{backend_id}/interactive-annotating", body)
        return list((answer.get("data") or {}).get("result", []))

    def versions_on(self, task_ids: Sequence[int]) -> Mapping[int, set[str]]:
        """Task -> the versions of its predictions. Looking does not make Label Studio predict."""
        return {
            task_id: {str(prediction["model_version"]) for prediction in self.label_studio.predictions(task_id)}
            for task_id in task_ids
        }
