"""Label Studio's HTTP API, as far as projects and what is connected to them go. Checked against 1.23.2."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from phenoloop.errors import LabelStudioUnavailable
from phenoloop.labelling.answers import as_documented
from phenoloop.labelling.http import Http
from phenoloop.labelling.records import Project, project_of
from phenoloop.labelling.task_list import PAGE

_TOO_SLOW = frozenset({"too slow", "ReadTimeout", "ReadTimeoutError"})
_GATEWAY_TIMEOUT = 504


class Wiring:
    """Projects, storages and backends of one Label Studio server, seen by one user."""

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
        """The S3 source storages, each with `id`, `bucket`, `prefix`, `status`, `last_sync`, `last_sync_count`, `meta`.

        Label Studio first looks whether what it calls under way still is.
        """
        return list(self._http.get("/api/storages/s3", {"project": project_id}))

    @as_documented()
    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        """The S3 target storages, each with `id`, `bucket`, `prefix`, `status`, `meta`."""
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
    def sync_photo_storage(self, storage_id: int) -> dict[str, Any] | None:
        """Make tasks of new photos; not to be asked for while the storage `is_at_work`.

        Returns the storage: done unless Label Studio runs with queues, see `status`. None if it takes longer than an
        answer may: Label Studio goes on.
        """
        return self._sync(f"/api/storages/s3/{storage_id}/sync")

    @as_documented()
    def sync_annotation_storage(self, storage_id: int) -> dict[str, Any] | None:
        """Write every annotation to the storage again; else as `sync_photo_storage`."""
        return self._sync(f"/api/storages/export/s3/{storage_id}/sync")

    def _sync(self, path: str) -> dict[str, Any] | None:
        try:
            return dict(self._http.post(path, {}))
        except LabelStudioUnavailable as error:
            if error.facts.get("problem") in _TOO_SLOW or error.facts.get("status") == _GATEWAY_TIMEOUT:
                return None
            raise

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
