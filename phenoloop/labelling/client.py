"""Label Studio's HTTP API, as far as the loop needs it. Checked against 1.23.2."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from phenoloop.errors import LabelStudioRefused
from phenoloop.labelling.http import Http
from phenoloop.labelling.task_list import PAGE, listed_tasks, task_filter


@dataclass(frozen=True, slots=True)
class Project:
    id: int
    title: str
    label_config: str
    model_version: str
    """Whose predictions the project shows: a version, or the title of a connected backend."""


@dataclass(frozen=True, slots=True)
class Task:
    id: int
    data: dict[str, Any]
    """As imported: URIs are not resolved."""


class SavedAnnotation(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    updated_at: AwareDatetime
    was_cancelled: bool
    ground_truth: bool


@dataclass(frozen=True, slots=True)
class SavedAnnotations:
    task_id: int
    annotations: tuple[SavedAnnotation, ...]
    """Skipped ones too."""


class LabelStudio:
    """One Label Studio server, seen by one user.

    `token` is a personal access token or a legacy token. Every method raises LabelStudioUnavailable, after retrying
    where a repetition does no harm, or LabelStudioRefused.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = 30.0, attempts: int = 4) -> None:
        self._http = Http(url, token, timeout_s=timeout_s, attempts=attempts)

    def version(self) -> str:
        return str(self._http.get("/api/version")["release"])

    # Projects

    def projects(self) -> list[Project]:
        return [_project(values) for values in self._pages("/api/projects/", "results", {})]

    def project(self, project_id: int) -> Project:
        return _project(self._http.get(f"/api/projects/{project_id}/"))

    def create_project(self, title: str, label_config: str, **settings: Any) -> Project:
        """`settings` are Label Studio's own, such as `show_collab_predictions` or `maximum_annotations`."""
        body = {"title": title, "label_config": label_config, **settings}
        return _project(self._http.post("/api/projects/", body))

    def update_project(self, project_id: int, **changes: Any) -> Project:
        return _project(self._http.patch(f"/api/projects/{project_id}/", changes))

    def delete_project(self, project_id: int) -> None:
        """With its tasks, predictions and annotations; objects on S3 stay."""
        self._http.delete(f"/api/projects/{project_id}/")

    def check_label_config(self, label_config: str) -> None:
        """Raises LabelStudioRefused, with Label Studio's reason, if it can't use the configuration."""
        self._http.post("/api/projects/validate/", {"label_config": label_config}, repeatable=True)

    # Storages

    def photo_storages(self, project_id: int) -> list[dict[str, Any]]:
        """The S3 source storages, each with `id`, `bucket`, `prefix`, `status`, `last_sync_count`."""
        return list(self._http.get("/api/storages/s3", {"project": project_id}))

    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        """The S3 target storages, each with `id`, `bucket`, `prefix`, `status`."""
        return list(self._http.get("/api/storages/export/s3", {"project": project_id}))

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

    def sync_photo_storage(self, storage_id: int) -> dict[str, Any]:
        """Make tasks of new photos. Done on return unless Label Studio runs with queues: see `status`."""
        return dict(self._http.post(f"/api/storages/s3/{storage_id}/sync", {}, repeatable=True))

    def sync_annotation_storage(self, storage_id: int) -> dict[str, Any]:
        """Write every annotation to the storage again. Not repeated: it may go on though no answer came in time."""
        return dict(self._http.post(f"/api/storages/export/s3/{storage_id}/sync", {}))

    # The backend

    def backends(self, project_id: int) -> list[dict[str, Any]]:
        """The connected backends. Label Studio asks each one's /health and /setup for this answer."""
        return list(self._http.get("/api/ml/", {"project": project_id}))

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
        for values in listed_tasks(self._http, {"project": project_id, "include": "id,data"}, filters, ids=ids):
            yield Task(id=int(values["id"]), data=values["data"])

    def saved_annotations(
        self, project_id: int, *, after: datetime | None = None, until: datetime | None = None
    ) -> Iterator[SavedAnnotations]:
        """What Label Studio has saved for each of the project's tasks, without what was drawn.

        Only tasks that changed `after` that time and no later than `until`; saving, changing and deleting an annotation
        all change its task.
        """
        limits = (("greater", after), ("less_or_equal", until))
        filters = [task_filter("updated_at", limit, "Datetime", time) for limit, time in limits if time is not None]
        include = "id,annotations,updated_at,was_cancelled,ground_truth"  # task's and annotations' fields alike
        for values in listed_tasks(self._http, {"project": project_id, "include": include, "fields": "all"}, filters):
            saved = tuple(SavedAnnotation.model_validate(annotation) for annotation in values["annotations"])
            yield SavedAnnotations(int(values["id"]), saved)

    def has_annotation(self, annotation_id: int) -> bool:
        try:
            self._http.get(f"/api/annotations/{annotation_id}/")
        except LabelStudioRefused as error:
            if error.facts.get("status") == 404:
                return False
            raise
        return True

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

    def predictions(self, task_id: int) -> list[dict[str, Any]]:
        return list(self._http.get("/api/predictions/", {"task": task_id}))

    def model_versions(self, project_id: int) -> dict[str, int]:
        """How many predictions there are of each version; a connected backend is listed too, by its title."""
        return dict(self._http.get(f"/api/projects/{project_id}/model-versions/"))

    def delete_predictions(self, project_id: int, model_version: str) -> int:
        """Delete every prediction of one version; how many there were."""
        path = f"/api/projects/{project_id}/model-versions/"
        return int(self._http.delete(path, {"model_version": model_version})["deleted_predictions"])

    def delete_prediction(self, prediction_id: int) -> None:
        self._http.delete(f"/api/predictions/{prediction_id}/")

    def annotations(self, task_id: int) -> list[dict[str, Any]]:
        return list(self._http.get(f"/api/tasks/{task_id}/annotations/"))

    def create_annotation(self, task_id: int, result: Iterable[Mapping[str, Any]]) -> int:
        body = {"result": [dict(item) for item in result]}
        return int(self._http.post(f"/api/tasks/{task_id}/annotations/", body)["id"])

    def _pages(self, path: str, key: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """All items of a paged list. A page beyond the last is refused, so the totals say when to stop."""
        page, seen, total = 1, 0, 1
        while seen < total:
            answer = self._http.get(path, {**parameters, "page": page, "page_size": PAGE})
            items = answer[key]
            total = int(answer.get("total", answer.get("count", 0))) if items else 0
            page, seen = page + 1, seen + len(items)
            yield from items


def _project(values: Mapping[str, Any]) -> Project:
    return Project(
        id=int(values["id"]),
        title=str(values["title"]),
        label_config=str(values["label_config"]),
        model_version=str(values.get("model_version") or ""),
    )
