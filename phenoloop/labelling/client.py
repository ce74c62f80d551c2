"""Label Studio's HTTP API, as far as the loop needs it. Checked against 1.23.2."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from phenoloop.errors import LabelStudioRefused
from phenoloop.labelling.answers import as_documented
from phenoloop.labelling.http import unless_gone
from phenoloop.labelling.records import Project as Project
from phenoloop.labelling.records import SavedAnnotation as SavedAnnotation
from phenoloop.labelling.records import SavedAnnotations as SavedAnnotations
from phenoloop.labelling.records import SavedPrediction as SavedPrediction
from phenoloop.labelling.records import SavedPredictions as SavedPredictions
from phenoloop.labelling.records import Task as Task
from phenoloop.labelling.task_list import (
    MADE,
    OPEN,
    SEVERAL,
    counted_tasks,
    listed_tasks,
    newest_tasks,
    task_filter,
    version_filters,
)
from phenoloop.labelling.wiring import Wiring


class LabelStudio(Wiring):
    """One Label Studio server, seen by one user.

    `token` is a personal access token or a legacy token. Every method raises LabelStudioUnavailable, after retrying
    where a repetition does no harm, or LabelStudioRefused.
    """

    def tasks(
        self,
        project_id: int,
        *,
        ids: Sequence[int] | None = None,
        without_version: str | None = None,
        with_version: str | None = None,
        only_open: bool = False,
    ) -> Iterator[Task]:
        """The project's tasks; only those of `ids`, those without a prediction of one version or with one of another,
        those that nobody annotated or skipped yet.

        Reading a single task, or this list without `review`, can make Label Studio ask the backend for predictions.
        """
        filters = version_filters(without_version, with_version) + (OPEN if only_open else [])
        with as_documented():
            for values in listed_tasks(self._http, {"project": project_id, "include": "id,data"}, filters, ids=ids):
                yield Task(id=int(values["id"]), data=dict(values["data"]))

    @as_documented()
    def task_count(self, project_id: int, *, without_version: str | None = None) -> int:
        """How many `tasks` there are; one request, however many."""
        return counted_tasks(
            self._http, {"project": project_id, "include": "id"}, version_filters(without_version, None)
        )

    @as_documented()
    def newest_tasks(self, project_id: int, *, with_version: str, count: int) -> list[Task]:
        """The newest of those with a prediction of one version, at most 100."""
        filters = [task_filter("predictions_model_versions", "contains", "List", [with_version])]
        found = newest_tasks(self._http, {"project": project_id, "include": "id,data"}, filters, count)
        return [Task(id=int(values["id"]), data=dict(values["data"])) for values in found]

    @as_documented()
    def import_tasks(self, project_id: int, data: Sequence[Mapping[str, Any]]) -> int:
        """Make a task of each; how many were made."""
        body = [{"data": dict(values)} for values in data]
        return int(self._http.post(f"/api/projects/{project_id}/import", body)["task_count"])

    @as_documented()
    def update_task_data(self, task_id: int, data: Mapping[str, Any]) -> None:
        self._http.patch(f"/api/tasks/{task_id}/", {"data": dict(data)})

    def saved_annotations(
        self,
        project_id: int,
        *,
        ids: Sequence[int] | None = None,
        after: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[SavedAnnotations]:
        """What Label Studio has saved for each of the project's tasks, without what was drawn.

        Only tasks of `ids`, and those that changed `after` that time and no later than `until`; saving, changing and
        deleting an annotation all change its task.
        """
        limits = (("greater", after), ("less_or_equal", until))
        filters = [task_filter("updated_at", limit, "Datetime", time) for limit, time in limits if time is not None]
        # fields of tasks and annotations alike
        include = "id,annotations,updated_at,was_cancelled,ground_truth,parent_prediction"
        asked = {"project": project_id, "include": include, "fields": "all"}
        with as_documented():
            for values in listed_tasks(self._http, asked, filters, ids=ids):
                saved = tuple(SavedAnnotation.model_validate(annotation) for annotation in values["annotations"])
                yield SavedAnnotations(int(values["id"]), saved)

    def has_annotation(self, annotation_id: int) -> bool:
        return self.annotation(annotation_id) is not None

    @as_documented()
    def annotation(self, annotation_id: int) -> dict[str, Any] | None:
        """None if there is no such, or no longer."""
        return self._http.find(f"/api/annotations/{annotation_id}/")

    @as_documented()
    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Store predictions: each with `task`, `result`, `score`, `model_version`.

        Raises LabelStudioRefused also if Label Studio kept fewer: it drops those that don't fit the configuration.
        """
        if not predictions:
            return
        body = [dict(prediction) for prediction in predictions]
        kept = self._http.post(f"/api/projects/{project_id}/import/predictions", body)["created"]
        if kept != len(predictions):
            raise LabelStudioRefused(
                "Label Studio dropped predictions that do not fit the project's labelling configuration.",
                project=project_id,
                sent=len(predictions),
                kept=kept,
            )

    @as_documented()
    def prediction(self, prediction_id: int) -> dict[str, Any] | None:
        """None if there is no such, or no longer."""
        return self._http.find(f"/api/predictions/{prediction_id}/")

    @as_documented()
    def predictions(self, task_id: int) -> list[dict[str, Any]]:
        """Each with `id` and `model_version`."""
        listed = self._http.get("/api/predictions/", {"task": task_id})
        return [{**item, "id": int(item["id"]), "model_version": str(item["model_version"])} for item in listed]

    def saved_predictions(
        self,
        project_id: int,
        *,
        ids: Sequence[int] | None = None,
        several: bool = False,
        only_open: bool = False,
    ) -> Iterator[SavedPredictions]:
        """What each task has, without what was predicted; only of `ids`, of tasks with `several`, of open ones.

        Whether there are several Label Studio tells from a count that may be too high.
        """
        filters = (SEVERAL if several else []) + (OPEN if only_open else [])
        asked = {"project": project_id, "include": ",".join(("id", "predictions", *MADE)), "fields": "all"}
        with as_documented():
            for values in listed_tasks(self._http, asked, filters, ids=ids):
                saved = (SavedPrediction(int(one["id"]), str(one["model_version"])) for one in values["predictions"])
                yield SavedPredictions(int(values["id"]), not any(int(values[n]) for n in MADE), tuple(saved))

    @as_documented()
    def model_versions(self, project_id: int) -> dict[str, int]:
        """How many predictions there are of each version; a connected backend is listed too, by its title."""
        return dict(self._http.get(f"/api/projects/{project_id}/model-versions/"))

    @as_documented()
    def delete_predictions(self, project_id: int, model_version: str) -> int:
        """Delete every prediction of one version; how many there were."""
        path = f"/api/projects/{project_id}/model-versions/"
        return int(self._http.delete(path, {"model_version": model_version})["deleted_predictions"])

    def replace_prediction(self, prediction_id: int, prediction: Mapping[str, Any]) -> bool:
        """Write `task`, `result`, `score` and `model_version` over it; False if there is no such, or no longer.

        It stays the same prediction to those who are at its task: what they submit names it.
        """
        path, body = f"/api/predictions/{prediction_id}/", dict(prediction)
        return unless_gone(lambda: self._http.patch(path, body)) is not None

    def delete_prediction(self, prediction_id: int) -> None:
        unless_gone(lambda: self._http.delete(f"/api/predictions/{prediction_id}/"))

    @as_documented()
    def annotations(self, task_id: int) -> list[dict[str, Any]]:
        return list(self._http.get(f"/api/tasks/{task_id}/annotations/"))

    @as_documented()
    def create_annotation(
        self, task_id: int, result: Iterable[Mapping[str, Any]], *, parent_prediction: int | None = None
    ) -> int:
        """`parent_prediction`: from which prediction it was made, as the editor says."""
        body: dict[str, Any] = {"result": [dict(item) for item in result]}
        if parent_prediction is not None:
            body["parent_prediction"] = parent_prediction
        return int(self._http.post(f"/api/tasks/{task_id}/annotations/", body)["id"])
