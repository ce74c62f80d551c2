"""Connecting a project: what is missing is made, what is ours corrected, what is not ours left alone."""

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from phenoloop.connect.notification import CREATED, REMOVED, merged, missing_events
from phenoloop.connect.project import Wiring, backend_url_of, wire_project
from phenoloop.connect.wanted import cure_of_refusal, differences, webhook_settings
from phenoloop.errors import LabelStudioRefused, SettingsInvalid
from phenoloop.settings import StorageSettings

QUEUE = "arn:aws:sqs:us-east-1:000000000000:annotations"
STORAGE = StorageSettings(bucket="phenoloop")
WIRING = Wiring(
    bucket="photos",
    image_buckets=frozenset({"photos", "archive"}),
    images_prefix="images/",
    annotations_prefix="annotations/",
    backend_url="http://backend:9090",
    backend_user="phenoloop",
    backend_password="secret",
)


class FakeLabelStudio:
    """One project's connections, kept as Label Studio keeps them."""

    def __init__(self) -> None:
        self.ids = itertools.count(1)
        self.targets: list[dict[str, Any]] = []
        self.sources: list[dict[str, Any]] = []
        self.connected: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []
        self.photos = 3
        self.sync_ends = "completed"
        self.settings: dict[str, Any] = {"show_collab_predictions": False, "model_version": ""}

    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        return self.targets

    def add_annotation_storage(self, project_id: int, *, bucket: str, prefix: str) -> int:
        self.targets.append({"bucket": bucket, "prefix": prefix.rstrip("/"), "can_delete_objects": True})
        return 1

    def photo_storages(self, project_id: int) -> list[dict[str, Any]]:
        return self.sources

    def add_photo_storage(self, project_id: int, *, bucket: str, prefix: str, presign: bool) -> int:
        if not self.photos:
            raise LabelStudioRefused("Refused.", reason=f"s3://{bucket}/{prefix} not found.")
        self.sources.append({"bucket": bucket, "prefix": prefix, "use_blob_urls": True})
        return 1

    def sync_photo_storage(self, storage_id: int) -> dict[str, Any] | None:
        """`info_set_queued` empties the count, `info_set_completed` sets it; none in time is no answer."""
        is_done, queued_at = self.sync_ends == "completed", {"time_queued": str(datetime.now(UTC))}
        synced = {"status": self.sync_ends, "last_sync_count": self.photos if is_done else None, "meta": queued_at}
        return synced if self.sync_ends else None

    def backends(self, project_id: int) -> list[dict[str, Any]]:
        return list(self.connected)

    def connect_backend(self, project_id: int, url: str, *, user: str, password: str, title: str) -> int:
        number = next(self.ids)
        more = {"is_interactive": True, "auto_update": True, "auth_method": "BASIC_AUTH", "basic_auth_user": user}
        self.connected.append({"id": number, "url": url, "title": title, "state": "CO", **more})
        self.hooks.append({"id": number, "url": f"{url}/webhook", "send_for_all_actions": True, "actions": []})
        return number

    def update_backend(self, backend_id: int, **changes: Any) -> None:
        for backend in self.connected:
            if backend["id"] == backend_id:
                backend.update(changes, state="CO")

    def delete_backend(self, backend_id: int) -> None:
        self.connected = [backend for backend in self.connected if backend["id"] != backend_id]
        self.settings["model_version"] = ""

    def webhooks(self, project_id: int) -> list[dict[str, Any]]:
        return list(self.hooks)

    def add_webhook(self, project_id: int, url: str, **settings: Any) -> int:
        self.hooks.append({"id": next(self.ids), "url": url, **settings})
        return 1

    def update_webhook(self, webhook_id: int, **changes: Any) -> None:
        for hook in self.hooks:
            if hook["id"] == webhook_id:
                hook.update(changes)

    def delete_webhook(self, webhook_id: int) -> None:
        self.hooks = [hook for hook in self.hooks if hook["id"] != webhook_id]

    def project_settings(self, project_id: int) -> dict[str, Any]:
        return dict(self.settings)

    def update_project(self, project_id: int, **changes: Any) -> None:
        self.settings |= changes


@pytest.fixture
def label_studio() -> FakeLabelStudio:
    return FakeLabelStudio()


def outcomes(label_studio: Any, wiring: Wiring = WIRING) -> list[str]:
    return [str(step.outcome) for step in wire_project(label_studio, 1, wiring)]


def test_everything_is_made_and_found_right_the_next_time(label_studio: FakeLabelStudio):
    assert outcomes(label_studio) == ["done"] * 5
    assert outcomes(label_studio) == ["right"] * 5


def test_the_webhook_gets_the_credentials_and_tells_of_new_tasks_only(label_studio: FakeLabelStudio):
    outcomes(label_studio)

    (hook,) = label_studio.hooks
    assert not differences(hook, webhook_settings("phenoloop", "secret"))


def test_a_backend_under_another_address_is_replaced_with_its_webhook(label_studio: FakeLabelStudio):
    label_studio.connect_backend(1, "http://old:9090", user="phenoloop", password="secret", title="Phenoloop")

    outcomes(label_studio)

    assert [backend["url"] for backend in label_studio.connected] == ["http://backend:9090"]
    assert [hook["url"] for hook in label_studio.hooks] == ["http://backend:9090/webhook"]
    assert label_studio.settings["model_version"] == "Phenoloop"


def test_a_backend_of_someone_else_stays(label_studio: FakeLabelStudio):
    label_studio.connect_backend(1, "http://sam:9090", user="other", password="p", title="SAM")

    outcomes(label_studio)

    assert [backend["url"] for backend in label_studio.connected] == ["http://sam:9090", "http://backend:9090"]


def test_a_backend_that_label_studio_can_not_use_gets_the_credentials_again(label_studio: FakeLabelStudio):
    outcomes(label_studio)
    label_studio.connected[0]["state"] = "ER"

    assert "done" in outcomes(label_studio)
    assert label_studio.connected[0]["basic_auth_pass"] == "secret"


def test_a_storage_that_differs_is_left_alone_and_named(label_studio: FakeLabelStudio):
    label_studio.targets.append({"bucket": "photos", "prefix": "annotations", "can_delete_objects": False})
    label_studio.sources.append({"bucket": "photos", "prefix": "", "use_blob_urls": False})

    left = [step for step in wire_project(label_studio, 1, WIRING) if step.outcome == "left"]  # type: ignore[arg-type]

    assert ["can_delete_objects" in left[0].what, "use_blob_urls" in left[1].what] == [True, True]
    assert label_studio.targets[0]["can_delete_objects"] is False


def test_a_target_storage_to_whose_prefix_label_studio_adds_a_second_slash_is_left(label_studio: FakeLabelStudio):
    label_studio.targets.append({"bucket": "photos", "prefix": "annotations/", "can_delete_objects": True})

    first, *_ = wire_project(label_studio, 1, WIRING)  # type: ignore[arg-type]

    assert (str(first.outcome), "annotations//" in first.what, "final slash" in first.cure) == ("left", True, True)
    label_studio.targets.append({"bucket": "photos", "prefix": "annotations", "can_delete_objects": True})
    assert outcomes(label_studio)[0] == "right"


@pytest.mark.parametrize(
    ("sync_ends", "outcome", "told"),
    [
        ("completed", "done", "3 photos"),
        ("", "done", "makes tasks of its photos"),
        ("queued", "done", "makes tasks of its photos"),
        ("failed", "left", "its sync failed"),
    ],
)
def test_a_new_source_storage_is_synced_once_however_long_that_takes(
    label_studio: FakeLabelStudio, sync_ends: str, outcome: str, told: str
):
    label_studio.sync_ends = sync_ends

    *_, last = wire_project(label_studio, 1, WIRING)  # type: ignore[arg-type]

    assert (str(last.outcome), told in last.what) == (outcome, True)


def test_a_source_storage_in_any_bucket_that_the_backend_reads_will_do(label_studio: FakeLabelStudio):
    label_studio.sources.append({"bucket": "archive", "prefix": "2024", "use_blob_urls": True})

    assert outcomes(label_studio)[-1] == "right"


def test_photos_that_are_still_to_come_are_asked_for_and_the_rest_is_connected(label_studio: FakeLabelStudio):
    label_studio.photos = 0
    *_, last = wire_project(label_studio, 1, WIRING)  # type: ignore[arg-type]
    assert (str(last.outcome), last.cure) == ("left", "Upload a photo there, and connect again.")
    label_studio.photos = 1
    assert outcomes(label_studio) == ["right"] * 4 + ["done"]


def test_a_project_without_our_backend_asks_for_its_address(label_studio: FakeLabelStudio):
    with pytest.raises(SettingsInvalid, match="backend-url"):
        backend_url_of(label_studio, 1, "phenoloop", None)  # type: ignore[arg-type]


def test_credentials_never_show_in_what_differs():
    shown = differences({"headers": {"Authorization": "Basic old"}}, webhook_settings("u", "hush"))

    assert not any("Basic" in text for text in shown)


@pytest.mark.parametrize(
    ("reason", "path", "cure"),
    [
        ("URL resolves to a reserved network address (block: 127.0.0.0/8)", "/api/ml/", "ML_BLOCK_LOCAL_IP"),
        ("URL resolves to a reserved network address (block: 10.0.0.0/8)", "/api/webhooks/", "SSRF_PROTECTION_ENABLED"),
        ("Reason: 401 Client Error: UNAUTHORIZED for url: http://b/setup", "/api/ml/", "PHENOLOOP_BACKEND__USER"),
        ("health check failed", "/api/ml/", "--backend-url"),
    ],
)
def test_a_refusal_of_label_studio_has_its_cure(reason: str, path: str, cure: str):
    assert cure in cure_of_refusal(reason, path)


def queue_configuration(prefix: str | None, *events: str, queue: str = QUEUE) -> dict[str, Any]:
    rules = [] if prefix is None else [{"Name": "Prefix", "Value": prefix}]
    return {
        "Id": f"{prefix}-{queue}",
        "QueueArn": queue,
        "Events": list(events),
        "Filter": {"Key": {"FilterRules": rules}},
    }


BOTH = (CREATED, REMOVED)
PHOTOS = queue_configuration("images/", CREATED)
PHOTOS_MISSING = f"{CREATED} under images/"
ANNOTATIONS_MISSING = [f"{event} under annotations/" for event in BOTH]


@pytest.mark.parametrize(
    ("configurations", "missing"),
    [
        ([], [*ANNOTATIONS_MISSING, PHOTOS_MISSING]),
        ([queue_configuration("annotations/", *BOTH)], [PHOTOS_MISSING]),
        ([PHOTOS, queue_configuration("annotations/", *BOTH)], []),
        ([queue_configuration(None, *BOTH)], []),
        ([PHOTOS, queue_configuration("annotations/", CREATED)], [f"{REMOVED} under annotations/"]),
        ([PHOTOS, queue_configuration("annotations/2024/", *BOTH)], [f"{e} under annotations/" for e in BOTH]),
        (
            [PHOTOS, queue_configuration("annotations/", *BOTH, queue="arn:other")],
            [f"{e} under annotations/" for e in BOTH],
        ),
    ],
)
def test_events_that_do_not_reach_the_queue_are_found(configurations: list[dict[str, Any]], missing: list[str]):
    assert missing_events({"QueueConfigurations": configurations}, QUEUE, STORAGE) == missing


def test_a_merged_notification_reaches_the_queue_and_keeps_what_others_configured():
    others = queue_configuration("annotations/", *BOTH, queue="arn:other")
    topic = {"TopicArn": "arn:topic", "Events": ["s3:ObjectCreated:*"]}
    found = {
        "QueueConfigurations": [others, queue_configuration("annotations/", CREATED)],
        "TopicConfigurations": [topic],
    }

    now = merged(found, QUEUE, STORAGE)

    assert missing_events(now, QUEUE, STORAGE) == []
    assert (now["TopicConfigurations"], others in now["QueueConfigurations"]) == ([topic], True)
    assert len(now["QueueConfigurations"]) == 3


@pytest.mark.parametrize("images", ["", "annotations/photos/"])
def test_where_prefixes_overlap_one_configuration_hears_of_both(images: str):
    storage = StorageSettings(bucket="phenoloop", images_prefix=images)

    (configuration,) = merged({}, QUEUE, storage)["QueueConfigurations"]

    assert set(configuration["Events"]) == set(BOTH)
    assert missing_events({"QueueConfigurations": [configuration]}, QUEUE, storage) == []
