"""Label Studio's HTTP API, as far as `connect` and `doctor` need it. Checked against 1.23.2."""

from collections.abc import Mapping
from typing import Any

from phenoloop.errors import LabelStudioRefused
from phenoloop.labelling.client import LabelStudio

BLOCKED = "reserved network address"
"""In what Label Studio says of an address that it does not call; its status is 403."""
_NO_CHOICE = "PHENOLOOP_ASKS"
"""A value that Label Studio never takes, so that a request with it changes nothing."""


class LabelStudioAdmin(LabelStudio):
    """The client with what only `connect` and `doctor` ask."""

    def user(self) -> str:
        """The e-mail address of the user whose token it is."""
        return str(self._http.get("/api/current-user/whoami")["email"])

    def project_settings(self, project_id: int) -> dict[str, Any]:
        """Everything that Label Studio says of a project."""
        return dict(self._http.get(f"/api/projects/{project_id}/"))

    # Storages

    def check_photo_storage(self, storage: Mapping[str, Any]) -> None:
        """Have Label Studio list the storage. Raises LabelStudioRefused with its reason."""
        self._check_storage("/api/storages/s3/validate", storage)

    def check_annotation_storage(self, storage: Mapping[str, Any]) -> None:
        """Have Label Studio list the storage; it writes nothing. Raises LabelStudioRefused with its reason."""
        self._check_storage("/api/storages/export/s3/validate", storage)

    def _check_storage(self, path: str, storage: Mapping[str, Any]) -> None:
        """All it knows of the storage goes back: what is left out takes its default, not the stored value."""
        given = {name: storage[name] for name in _STORAGE_FIELDS if storage.get(name) is not None}
        self._http.post(path, given, repeatable=True)

    # The backend

    def update_backend(self, backend_id: int, **changes: Any) -> None:
        """Label Studio asks the backend's /health and /setup first. Raises LabelStudioRefused with its reason."""
        self._http.patch(f"/api/ml/{backend_id}", changes)

    def delete_backend(self, backend_id: int) -> None:
        """Its webhook stays."""
        self._http.delete(f"/api/ml/{backend_id}")

    def why_unreachable(self, backend: Mapping[str, Any]) -> str:
        """Why Label Studio gets no answer from the backend's /health, in its words; empty if by now it does.

        Asked without credentials, so that it can't end in a change.
        """
        asked = {"url": backend["url"], "project": backend["project"]}
        refusal = self._refusal(f"/api/ml/{backend['id']}", asked)
        return "" if "Successfully connected" in refusal else refusal

    def blocks_backend(self, backend: Mapping[str, Any]) -> str:
        """Why Label Studio would not call this address at all (ML_BLOCK_LOCAL_IP); empty if it would."""
        refusal = self._refusal(f"/api/ml/{backend['id']}", {"url": backend["url"], "auth_method": _NO_CHOICE})
        return refusal if BLOCKED in refusal else ""

    # Webhooks

    def webhooks(self, project_id: int) -> list[dict[str, Any]]:
        """Each with `id`, `url`, `is_active`, `actions`, `send_for_all_actions`, `headers` (credentials among them)."""
        return list(self._http.get("/api/webhooks/", {"project": project_id}))

    def add_webhook(self, project_id: int, url: str, **settings: Any) -> int:
        return int(self._http.post("/api/webhooks/", {"project": project_id, "url": url, **settings})["id"])

    def update_webhook(self, webhook_id: int, **changes: Any) -> None:
        """`changes` must name `actions`: left out, Label Studio clears them."""
        self._http.patch(f"/api/webhooks/{webhook_id}/", changes)

    def delete_webhook(self, webhook_id: int) -> None:
        self._http.delete(f"/api/webhooks/{webhook_id}/")

    def blocks_webhook(self, webhook: Mapping[str, Any]) -> str:
        """Why Label Studio would not send to this address (SSRF_PROTECTION_ENABLED); empty if it would."""
        asked = {"url": webhook["url"], "actions": [_NO_CHOICE]}
        refusal = self._refusal(f"/api/webhooks/{webhook['id']}/", asked)
        return refusal if BLOCKED in refusal else ""

    def _refusal(self, path: str, changes: Mapping[str, Any]) -> str:
        try:
            self._http.patch(path, dict(changes))
        except LabelStudioRefused as error:
            reason = str(error.facts.get("reason") or error.message)
            if error.facts.get("status") != 400 and BLOCKED not in reason:
                raise
            return reason
        return ""


_STORAGE_FIELDS = (
    *("id", "project", "bucket", "prefix", "regex_filter", "use_blob_urls", "region_name", "s3_endpoint"),
    *("presign", "presign_ttl", "recursive_scan", "can_delete_objects", "aws_sse_kms_key_id", "title"),
)
