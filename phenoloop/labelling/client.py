"""Label Studio's HTTP API, as far as the loop needs it. Checked against 1.23.2."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from phenoloop.errors import LabelStudioRefused
from phenoloop.labelling.answers import as_documented
from phenoloop.labelling.http import Http
from phenoloop.labelling.records import Project as Project
from phenoloop.labelling.records import SavedAnnotation as SavedAnnotation
from phenoloop.labelling.records import SavedAnnotations as SavedAnnotations
from phenoloop.labelling.records import Task as Task
from phenoloop.labelling.records import project_of
from phenoloop.labelling.task_list import PAGE, listed_tasks, newest_tasks, task_filter


class LabelStudio:
    """One Label Studio server, seen by one user.

    `token` is a personal access token or a legacy token. Every method raises LabelStudioUnavailable, after retrying
    where a repetition does no harm, or LabelStudioRefused.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = 30.0, attempts: int = 4) -> None:
        self._http = Http(url, token, timeout_s=timeout_s, attempts=attempts)

    @as_documented()
    def version(self) -> str:
        return str(self._http.get("/api/version")["release"])

    # Projects

    @as_documented()
    def projects(self) -> list[Project]:
        return [project_of(values) for values in self._pages("/api/projects/", "results", {})]

    @as_documented()
    def project(self, project_id: int) -> Project:
        return project_of(self._http.get(f"/api/projects/{project_id}/"))

    @as_documented()
    def create_project(self, title: str, label_config: str, **settings: Any) -> Project:
        """`settings` are Label Studio's own, such as `show_collab_predictions` or `maximum_annotations`."""
        body = {"title": title, "label_config": label_config, **settings}
        return project_of(self._http.post("/api/projects/", body))

    @as_documented()
    def update_project(self, project_id: int, **changes: Any) -> Project:
        return project_of(self._http.patch(f"/api/projects/{project_id}/", changes))

    def delete_project(self, project_id: int) -> None:
        """With its tasks, predictions and annotations; objects on S3 stay."""
        self._http.delete(f"/api/projects/{project_id}/")

    def check_label_config(self, label_config: str) -> None:
        """Raises LabelStudioRefused, with Label Studio's reason, if it can't use the configuration."""
        self._http.post("/api/projects/validate/", {"label_config": label_config}, repeatable=True)

    # Storages

    @as_documented()
    def photo_storages(self, project_id: int) -> list[dict[str, Any]]:
        """The S3 source storages, each with `id`, `bucket`, `prefix`, `status`, `last_sync_count`."""
        return list(self._http.get("/api/storages/s3", {"project": project_id}))

    @as_documented()
    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        """The S3 target storages, each with `id`, `bucket`, `prefix`, `status`."""
        return list(self._http.get("/api/storages/export/s3", {"project": project_id}))

    @as_documented()
    def add_photo_storage(
        self, project_id: int, *, bucket: str, prefix: str, title: str = "Photos", **settings: Any
    ) -> int:
        """A source storage whose photos become tasks with `s3://` URIs. Label Studio uses its own AWS credentials."""
        body = {
            "project": project_id,
            "title": title,
            "bucket": bucket,
            "prefix": prefix,
            "regex_filter": r"(?i).*\.(jpe?g|png|tiff?|webp|bmp)$",
            "use_blob_urls": True,
            "recursive_scan": True,
            **settings,
        }
        return int(self._http.post("/api/storages/s3", body)["id"])

    @as_documented()
    def add_annotation_storage(
        self, project_id: int, *, bucket: str, prefix: str, title: str = "Annotations", **settings: Any
    ) -> int:
        """A target storage: each annotation as `prefix`/ID. A deleted annotation's object goes too."""
        body = {
            "project": project_id,
            "title": title,
            "bucket": bucket,
            "prefix": prefix.rstrip("/"),  # Label Studio adds the slash
            "can_delete_objects": True,
            **settings,
        }
        return int(self._http.post("/api/storages/export/s3", body)["id"])

    @as_documented()
    def sync_photo_storage(self, storage_id: int) -> dict[str, Any]:
        """Make tasks of new photos. Done on return unless Label Studio runs with queues: see `status`."""
        return dict(self._http.post(f"/api/storages/s3/{storage_id}/sync", {}, repeatable=True))

    @as_documented()
    def sync_annotation_storage(self, storage_id: int) -> dict[str, Any]:
        """Write every annotation to the storage again. Not repeated: it may go on though no answer came in time."""
        return dict(self._http.post(f"/api/storages/export/s3/{storage_id}/sync", {}))

    # The backend

    @as_documented()
    def backends(self, project_id: int) -> list[dict[str, Any]]:
        """The connected backends. Label Studio asks each one's /health and /setup for this answer."""
        return list(self._http.get("/api/ml/", {"project": project_id}))

    @as_documented()
    def connect_backend(
        self, project_id: int, url: str, *, user: str, password: str, title: str = "Phenoloop", interactive: bool = True
    ) -> int:
        """Connect a backend, and let its webhook tell of new tasks only, with the same credentials.

        The webhook that Label Studio makes for a backend sends no credentials and tells of everything. An `interactive`
        backend also serves smart tools, once the annotator switches Auto-Annotation on.
        """
        body = {
            "project": project_id,
            "url": url,
            "title": title,
            "is_interactive": interactive,
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": user,
            "basic_auth_pass": password,
        }
        backend_id = int(self._http.post("/api/ml/", body)["id"])
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        hook = {
            "headers": {"Authorization": f"Basic {credentials}"},
            "send_for_all_actions": False,
            "actions": ["TASKS_CREATED"],
        }
        for webhook in self._http.get("/api/webhooks/", {"project": project_id}):
            if webhook["url"] == url.rstrip("/") + "/webhook":
                self._http.patch(f"/api/webhooks/{webhook['id']}/", hook)
        return backend_id

    # Tasks, predictions, annotations

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
        filters = [
            task_filter("predictions_model_versions", operator, "List", [version])
            for operator, version in (("not_contains", without_version), ("contains", with_version))
            if version is not None
        ]
        if only_open:
            filters += [
                task_filter(count, "equal", "Number", 0) for count in ("total_annotations", "cancelled_annotations")
            ]
        with as_documented():
            for values in listed_tasks(self._http, {"project": project_id, "include": "id,data"}, filters, ids=ids):
                yield Task(id=int(values["id"]), data=dict(values["data"]))

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

    @as_documented()
    def model_versions(self, project_id: int) -> dict[str, int]:
        """How many predictions there are of each version; a connected backend is listed too, by its title."""
        return dict(self._http.get(f"/api/projects/{project_id}/model-versions/"))

    @as_documented()
    def delete_predictions(self, project_id: int, model_version: str) -> int:
        """Delete every prediction of one version; how many there were."""
        path = f"/api/projects/{project_id}/model-versions/"
        return int(self._http.delete(path, {"model_version": model_version})["deleted_predictions"])

    def delete_prediction(self, prediction_id: int) -> None:
        self._http.delete(f"/api/predictions/{prediction_id}/")

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

    def _pages(self, path: str, key: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """All items of a paged list. A page beyond the last is refused, so the totals say when to stop."""
        page, seen, total, before = 1, 0, 1, None
        while seen < total:
            answer = self._http.get(path, {**parameters, "page": page, "page_size": PAGE})
            items = list(answer[key])
            if items == before:
                raise ValueError("the same page again")
            before = items
            total = int(answer.get("total", answer.get("count", 0))) if items else 0
            page, seen = page + 1, seen + len(items)
            yield from items
