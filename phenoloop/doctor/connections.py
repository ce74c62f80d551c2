"""Label Studio's side of the project's connections: its storages, the backend as it reaches it, its webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError

from phenoloop.connect.wanted import (
    CREDENTIALS,
    ML_BLOCK,
    PHOTO_STORAGE,
    REACH,
    SSRF,
    backend_settings,
    differences,
    our_backends,
    plain_reason,
    target_differences,
    target_storage,
    webhook_settings,
    webhook_url,
)
from phenoloop.doctor.check import Finding, failed, ok, warn
from phenoloop.doctor.loop import Loop
from phenoloop.errors import LabelStudioRefused, LabelStudioUnavailable, PhenoloopError

CONNECT = "Run `phenoloop connect --project ID`."
LS_CREDENTIALS = "Give Label Studio's own process AWS credentials that may list it; can it reach S3 at all?"


def photo_storage(loop: Loop) -> Finding:
    """Whether tasks come from buckets that the backend may read, and name their photos so that it can."""
    admin, allowed = loop.label_studio(), loop.settings.storage.image_buckets
    (project_id,) = loop.projects()
    storages = admin.photo_storages(project_id)
    if not storages:
        return warn("the project has no S3 source storage", f"Tasks must then name s3:// URIs themselves. {CONNECT}")
    for storage in storages:
        if storage["bucket"] not in allowed:
            return failed(
                f"its photos lie in {storage['bucket']}, which the backend does not read",
                "Add the bucket to PHENOLOOP_STORAGE__EXTRA_IMAGE_BUCKETS.",
            )
        if wrong := differences(storage, PHOTO_STORAGE):
            return failed("; ".join(wrong), "Tasks must name s3:// URIs: edit the source storage in Label Studio.")
        if said := _unlisted(admin.check_photo_storage, storage):
            return failed(said, LS_CREDENTIALS)
        if storage.get("status") == "failed":
            return failed(f"its last sync failed: {_last_line(storage)}", "Sync it again in Label Studio.")
    return ok("; ".join(f"s3://{s['bucket']}/{s.get('prefix') or ''}" for s in storages) + ", listed by Label Studio")


def annotation_storage(loop: Loop) -> Finding:
    """Whether annotations are written where the loop looks for them."""
    admin, given = loop.label_studio(), loop.settings.storage
    bucket, prefix = given.bucket, given.annotations_prefix
    (project_id,) = loop.projects()
    ours = target_storage(admin.annotation_storages(project_id), bucket, prefix)
    if ours is None:
        return failed(f"no S3 target storage writes to s3://{bucket}/{prefix}", CONNECT)
    wrong, cure = target_differences(ours, bucket, prefix)
    if wrong:
        return failed(wrong, cure)
    if said := _unlisted(admin.check_annotation_storage, ours):
        return failed(said, LS_CREDENTIALS)
    if ours.get("status") == "failed":
        return failed(f"its last sync failed: {_last_line(ours)}", "See Label Studio's log; may it s3:PutObject there?")
    return ok(f"s3://{bucket}/{prefix}, listed by Label Studio")


def backend(loop: Loop) -> Finding:
    """The backend as Label Studio reaches it: it asks /health and /setup for this very answer."""
    admin = loop.label_studio()
    (project_id,) = loop.projects()
    ours = our_backends(admin.backends(project_id), loop.settings.backend.user)
    if not ours:
        return failed("our backend is not connected to the project", CONNECT)
    if len(ours) > 1:
        urls = ", ".join(str(found["url"]) for found in ours)
        return warn(f"it is connected {len(ours)} times: {urls}", f"Remove those that are gone. {CONNECT}")
    found = ours[0]
    if found["state"] == "DI":
        return _unreachable(found, admin.blocks_backend(found), admin.why_unreachable(found))
    if found["state"] == "ER":
        return _refusing(found)
    if wrong := differences(found, backend_settings(loop.settings.backend.user)):
        return warn("; ".join(wrong), CONNECT)
    live = _live_name(loop)
    if live and found["model_version"] != live:
        return warn(
            f"it serves {found['model_version']}, live is {live}",
            "It follows within seconds; if it does not, see its log and restart it.",
        )
    return ok(f"{found['url']}: {found['readable_state']}, {found['model_version']}")


def webhook(loop: Loop) -> Finding:
    """Whether Label Studio tells the backend of new tasks, with credentials."""
    admin, given = loop.label_studio(), loop.settings.backend
    (project_id,) = loop.projects()
    urls = {webhook_url(b["url"]) for b in our_backends(admin.backends(project_id), given.user)}
    hooks = [hook for hook in admin.webhooks(project_id) if hook["url"] in urls]
    if not hooks:
        return failed("Label Studio has no webhook to our backend", f"New tasks would not be pre-labelled. {CONNECT}")
    wanted = webhook_settings(given.user, given.password.get_secret_value())
    if wrong := differences(hooks[0], wanted):
        return failed("; ".join(wrong), CONNECT)
    if said := admin.blocks_webhook(hooks[0]):
        return failed(f"Label Studio will not send to {hooks[0]['url']}: {said}", SSRF)
    return ok(f"{hooks[0]['url']}: {', '.join(hooks[0]['actions'])}")


def _live_name(loop: Loop) -> str:
    """Empty if it is not known: another check tells why."""
    try:
        return loop.releases().live().name
    except (PhenoloopError, BotoCoreError):
        return ""


def _unreachable(found: Mapping[str, Any], blocked: str, reason: str) -> Finding:
    if blocked:
        return failed(f"Label Studio does not call {found['url']}: {blocked}", ML_BLOCK)
    said = plain_reason(reason) or "its answers come and go"
    return failed(f"Label Studio does not reach {found['url']}: {said}", REACH)


def _refusing(found: Mapping[str, Any]) -> Finding:
    said = str(found.get("error_message") or "")[:300]
    if "401" in said:
        return failed(
            "the backend refuses the credentials that Label Studio has",
            f"{CREDENTIALS} {CONNECT}",
        )
    return failed(f"the backend answers /setup with an error: {said}", "See the backend's log; is a release live?")


def _unlisted(ask: Callable[[Mapping[str, Any]], None], storage: Mapping[str, Any]) -> str:
    """Why Label Studio can't list the storage; empty if it can."""
    where = f"s3://{storage['bucket']}/{storage.get('prefix') or ''}"
    try:
        ask(storage)
    except LabelStudioRefused as error:
        return f"Label Studio can't list {where}: {error.facts.get('reason')}"
    except LabelStudioUnavailable:
        return f"Label Studio hangs or fails while it lists {where}"
    return ""


def _last_line(storage: Mapping[str, Any]) -> str:
    lines = str(storage.get("traceback") or "").strip().splitlines()
    return lines[-1][:200] if lines else "it does not say why"
