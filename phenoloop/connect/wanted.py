"""How a connected project looks: what `connect` makes it, and what `doctor` holds it against."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from phenoloop.labelling.admin import BLOCKED
from phenoloop.labelling.storages import FINAL_SLASH, Storage, same_prefix, writes_to

BACKEND_TITLE = "Phenoloop"
PROJECT: Mapping[str, Any] = {"show_collab_predictions": True, "evaluate_predictions_automatically": True}
"""Opening a task fetches its predictions and shows them."""
PHOTO_STORAGE: Mapping[str, Any] = {"use_blob_urls": True}
"""Tasks name their photo as `s3://bucket/key`, which the backend reads with its own credentials."""
ANNOTATION_STORAGE: Mapping[str, Any] = {"can_delete_objects": True}
"""A deleted annotation's object goes too, so that what lies in S3 is what there is."""
DELETIONS = "Deleted annotations would stay in S3: edit it in Label Studio: Settings, Cloud Storage."

NOTHING_THERE = " not found."
"""What Label Studio says of a source storage whose prefix holds no object yet."""
ML_BLOCK = "Start Label Studio with ML_BLOCK_LOCAL_IP=false: it does not call private and loopback addresses."
SSRF = "Start Label Studio with SSRF_PROTECTION_ENABLED=false: it does not send to private and loopback addresses."
REACH = "Is the backend up, and is this its address as seen from Label Studio? Else give connect's --backend-url."
CREDENTIALS = "The backend's own PHENOLOOP_BACKEND__USER and __PASSWORD must be the same as here."


def backend_settings(user: str) -> dict[str, Any]:
    """Basic authentication, versions as the backend tells them, smart tools served too."""
    return {
        "title": BACKEND_TITLE,
        "is_interactive": True,
        "auto_update": True,
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": user,
    }


def webhook_settings(user: str, password: str) -> dict[str, Any]:
    """The backend is told of new tasks, and only of them, with its credentials."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return {
        "headers": {"Authorization": f"Basic {credentials}"},
        "is_active": True,
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": ["TASKS_CREATED"],
    }


def webhook_url(backend_url: str) -> str:
    """Where Label Studio itself puts a backend's webhook."""
    return backend_url.rstrip("/") + "/webhook"


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Each `name is X, not Y`; of a webhook's headers, which hold credentials, only that they differ."""
    return [
        "its credentials differ" if name == "headers" else f"{name} is {found.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]


def our_backends(backends: Iterable[Mapping[str, Any]], user: str) -> list[Mapping[str, Any]]:
    """Those with our title or our user: a project may have backends of other people's too."""
    return [b for b in backends if b.get("title") == BACKEND_TITLE or b.get("basic_auth_user") == user]


def target_storage(storages: Iterable[Storage], bucket: str, prefix: str) -> Storage | None:
    """The one that writes annotations there, else one that only a slash keeps from it."""
    alike = [s for s in storages if s["bucket"] == bucket and same_prefix(s["prefix"], prefix)]
    return next((s for s in alike if writes_to(s, bucket, prefix)), alike[0] if alike else None)


def target_differences(storage: Storage, bucket: str, prefix: str) -> tuple[str, str]:
    """What is not as it should be, and the cure; empty if all is well."""
    if not writes_to(storage, bucket, prefix):
        return f"it writes to {storage['prefix']}/, not to {prefix}", FINAL_SLASH
    wrong = "; ".join(differences(storage, ANNOTATION_STORAGE))
    return wrong, DELETIONS if wrong else ""


def cure_of_refusal(reason: str, path: str) -> str:
    """What to do about Label Studio's refusal to connect to a backend or to send to it."""
    if BLOCKED in reason:
        return SSRF if "webhook" in path else ML_BLOCK
    return CREDENTIALS if "401" in reason or "authentication parameters" in reason else REACH


def plain_reason(reason: str) -> str:
    """Label Studio's reason without the advice and the HTML around it."""
    for mark in ("Additional info: ", "Reason: "):
        if mark in reason:
            return reason.partition(mark)[2].partition("\\nCheck the ML backend")[0].rstrip("\"']}")
    return reason
