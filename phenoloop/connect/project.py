"""Wires a Label Studio project: annotations out, the backend and its webhook, photos in. Safe to repeat."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from phenoloop.connect.step import Step, done, left, right
from phenoloop.connect.wanted import (
    BACKEND_TITLE,
    NOTHING_THERE,
    PHOTO_STORAGE,
    PROJECT,
    backend_settings,
    cure_of_refusal,
    differences,
    our_backends,
    plain_reason,
    target_differences,
    target_storage,
    webhook_settings,
    webhook_url,
)
from phenoloop.errors import LabelStudioRefused, SettingsInvalid
from phenoloop.labelling.admin import LabelStudioAdmin
from phenoloop.labelling.storages import is_at_work
from phenoloop.settings import Settings


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the project is connected to."""

    bucket: str
    image_buckets: Collection[str]
    images_prefix: str
    annotations_prefix: str
    backend_url: str
    """As Label Studio reaches it."""
    backend_user: str
    backend_password: str


def wiring_of(settings: Settings, backend_url: str) -> Wiring:
    storage, backend = settings.storage, settings.backend
    return Wiring(
        bucket=storage.bucket,
        image_buckets=storage.image_buckets,
        images_prefix=storage.images_prefix,
        annotations_prefix=storage.annotations_prefix,
        backend_url=backend_url,
        backend_user=backend.user,
        backend_password=backend.password.get_secret_value(),
    )


def backend_url_of(admin: LabelStudioAdmin, project_id: int, user: str, given: str | None) -> str:
    """The address that was given, else the one under which our backend is connected. Raises SettingsInvalid."""
    if given:
        return given.rstrip("/")
    known = our_backends(admin.backends(project_id), user)
    if not known:
        cure = "Give --backend-url: the backend's address as Label Studio reaches it."
        raise SettingsInvalid("No backend of ours is connected to the project yet.", cure=cure, project=project_id)
    return str(known[0]["url"]).rstrip("/")


def wire_project(admin: LabelStudioAdmin, project_id: int, wiring: Wiring) -> Iterator[Step]:
    """Connect what is missing, correct what is ours, leave alone what is not.

    Raises LabelStudioRefused (with Label Studio's reason and the cure), LabelStudioUnavailable.
    """
    yield _annotation_storage(admin, project_id, wiring)
    yield from _backend(admin, project_id, wiring)
    yield _webhook(admin, project_id, wiring)
    yield _settings(admin, project_id)
    yield _photo_storage(admin, project_id, wiring)


def _annotation_storage(admin: LabelStudioAdmin, project_id: int, wiring: Wiring) -> Step:
    bucket, prefix = wiring.bucket, wiring.annotations_prefix
    where = f"target storage s3://{bucket}/{prefix}"
    storage = target_storage(admin.annotation_storages(project_id), bucket, prefix)
    if storage is None:
        admin.add_annotation_storage(project_id, bucket=bucket, prefix=prefix)
        return done(f"{where} added")
    wrong, cure = target_differences(storage, bucket, prefix)
    return left(f"{where}: {wrong}", cure) if wrong else right(where)


def _photo_storage(admin: LabelStudioAdmin, project_id: int, wiring: Wiring) -> Step:
    """Any source storage that the backend can read photos from will do; it need not be of our making."""
    storages = admin.photo_storages(project_id)
    for storage in storages:
        where = f"source storage s3://{storage['bucket']}/{storage['prefix'] or ''}"
        wrong = differences(storage, PHOTO_STORAGE)
        if storage["bucket"] not in wiring.image_buckets:
            cure = "Add the bucket to PHENOLOOP_STORAGE__EXTRA_IMAGE_BUCKETS, or remove the storage."
            return left(f"{where}: the backend does not read this bucket", cure)
        if wrong:
            return left(f"{where}: {'; '.join(wrong)}", "Edit it in Label Studio: tasks must name s3:// URIs.")
    if storages:
        return right("source storage " + ", ".join(f"s3://{s['bucket']}/{s['prefix'] or ''}" for s in storages))
    prefix = wiring.images_prefix.rstrip("/")
    where = f"source storage s3://{wiring.bucket}/{prefix}"
    try:
        storage_id = admin.add_photo_storage(project_id, bucket=wiring.bucket, prefix=prefix, presign=False)
    except LabelStudioRefused as error:
        if NOTHING_THERE not in str(error.facts.get("reason", "")):
            raise
        return left(f"{where}: Label Studio takes none that is empty", "Upload a photo there, and connect again.")
    synced = admin.sync_photo_storage(storage_id)
    if synced and synced["status"] == "failed":
        return left(
            f"{where} added, but its sync failed", "Its reason stands in Label Studio: Settings, Cloud Storage."
        )
    if synced is None or is_at_work(synced):
        return done(f"{where} added; Label Studio makes tasks of its photos")
    return done(f"{where} added; {synced['last_sync_count'] or 0} photos")


def _backend(admin: LabelStudioAdmin, project_id: int, wiring: Wiring) -> Iterator[Step]:
    """The new one is connected before the old ones go, so that a refusal leaves the project as it was."""
    url = wiring.backend_url
    known = our_backends(admin.backends(project_id), wiring.backend_user)
    here = [backend for backend in known if backend["url"].rstrip("/") == url]
    if not here:
        _with_cure(
            lambda: admin.connect_backend(
                project_id, url, user=wiring.backend_user, password=wiring.backend_password, title=BACKEND_TITLE
            )
        )
        yield done(f"backend {url} connected")
    elif here[0]["state"] != "CO" or differences(here[0], backend_settings(wiring.backend_user)):
        changes = {
            **backend_settings(wiring.backend_user),
            "url": here[0]["url"],
            "project": project_id,
            "basic_auth_pass": wiring.backend_password,
        }
        _with_cure(lambda: admin.update_backend(here[0]["id"], **changes))
        yield done(f"backend {url} corrected")
    else:
        yield right(f"backend {url}")
    for backend in known:
        if backend not in here[:1]:
            yield _removed(admin, project_id, backend, url)


def _removed(admin: LabelStudioAdmin, project_id: int, backend: Mapping[str, Any], url: str) -> Step:
    admin.delete_backend(backend["id"])
    old = webhook_url(backend["url"])
    for hook in admin.webhooks(project_id):
        if hook["url"] == old and old != webhook_url(url):
            admin.delete_webhook(hook["id"])
    return done(f"backend {backend['url']} removed: it is connected under {url}")


def _webhook(admin: LabelStudioAdmin, project_id: int, wiring: Wiring) -> Step:
    """Label Studio makes one for each backend, without credentials and for everything; or none, if it may not call."""
    url, wanted = webhook_url(wiring.backend_url), webhook_settings(wiring.backend_user, wiring.backend_password)
    hooks = [hook for hook in admin.webhooks(project_id) if hook["url"] == url]
    if len(hooks) == 1 and not differences(hooks[0], wanted):
        return right(f"webhook {url}")
    if hooks:
        _with_cure(lambda: admin.update_webhook(hooks[0]["id"], **wanted))
    else:
        _with_cure(lambda: admin.add_webhook(project_id, url, **wanted))
    for double in hooks[1:]:
        admin.delete_webhook(double["id"])
    now = next((hook for hook in admin.webhooks(project_id) if hook["url"] == url), {})
    if wrong := differences(now, wanted):
        return left(
            f"webhook {url}: {'; '.join(wrong)}", "Label Studio took the change but did not keep it: see its log."
        )
    return done(f"webhook {url} set: new tasks only, with credentials")


def _settings(admin: LabelStudioAdmin, project_id: int) -> Step:
    found = admin.project_settings(project_id)
    wanted = {**PROJECT, "model_version": BACKEND_TITLE}
    wrong = differences(found, wanted)
    if not wrong:
        return right("project settings")
    admin.update_project(project_id, **wanted)
    return done(f"project settings corrected: {'; '.join(wrong)}")


def _with_cure(ask: Callable[[], object]) -> None:
    """Raises LabelStudioRefused with the cure for what Label Studio says."""
    try:
        ask()
    except LabelStudioRefused as error:
        reason = str(error.facts.get("reason", ""))
        facts = {**error.facts, "reason": plain_reason(reason)}
        cure = cure_of_refusal(reason, str(error.facts.get("path", "")))
        raise LabelStudioRefused("Label Studio does not connect.", cure=cure, **facts) from error
