"""What the doctor says of a project's connections, as Label Studio tells of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from loc360.manifest import Manifest
from phenoloop.chain.release import Release, StageEndpoint
from phenoloop.connect.wanted import backend_settings, webhook_settings
from phenoloop.doctor import connections, label_studio
from phenoloop.doctor.check import Finding
from phenoloop.doctor.loop import Loop
from phenoloop.errors import LabelStudioRefused
from phenoloop.settings import BackendSettings, LabelStudioSettings, Settings, StorageSettings

LABELS = ("carrot", "tomato_red")
RELEASE = Release.named(
    package_arn="",
    detector=StageEndpoint(endpoint="d", model_data_url="s3://m/d"),
    segmenter=StageEndpoint(endpoint="s", model_data_url="s3://m/s"),
    manifest=Manifest(release="", detector_model="d", segmenter_model="s", labels=LABELS).to_dict(),
)
CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="mask" toName="image">
<Label value="Carrot"/><Label value="tomato"/></BrushLabels></View>"""
URL = "http://backend:9090"
SETTINGS = Settings(
    storage=StorageSettings(bucket="photos"),
    label_studio=LabelStudioSettings(url="http://label-studio", token="t"),  # type: ignore[arg-type]
    backend=BackendSettings(password="p" * 12, label_map={"tomato_red": "tomato"}),  # type: ignore[arg-type]
    queue_url="http://queue",
)


@dataclass
class Told:
    """A Label Studio where all is well, but for what a test changes."""

    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "id": 1,
            "label_config": CONFIG,
            "show_collab_predictions": True,
            "evaluate_predictions_automatically": True,
            "model_version": "Phenoloop",
        }
    )
    source: dict[str, Any] = field(
        default_factory=lambda: {"bucket": "photos", "prefix": "images", "use_blob_urls": True, "status": "completed"}
    )
    target: dict[str, Any] = field(
        default_factory=lambda: {"bucket": "photos", "prefix": "annotations", "can_delete_objects": True}
    )
    backend: dict[str, Any] = field(
        default_factory=lambda: {
            **backend_settings("phenoloop"),
            "url": URL,
            "state": "CO",
            "readable_state": "Connected",
            "model_version": RELEASE.name,
        }
    )
    hook: dict[str, Any] = field(
        default_factory=lambda: {"url": f"{URL}/webhook", **webhook_settings("phenoloop", "p" * 12)}
    )
    unlisted: str = ""
    blocked: str = ""
    unreachable: str = ""

    def project_settings(self, project_id: int) -> dict[str, Any]:
        return self.settings

    def photo_storages(self, project_id: int) -> list[dict[str, Any]]:
        return [self.source]

    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        return [self.target]

    def check_photo_storage(self, storage: dict[str, Any]) -> None:
        if self.unlisted:
            raise LabelStudioRefused("Label Studio refused the request.", reason=self.unlisted)

    check_annotation_storage = check_photo_storage

    def backends(self, project_id: int) -> list[dict[str, Any]]:
        return [self.backend]

    def webhooks(self, project_id: int) -> list[dict[str, Any]]:
        return [self.hook]

    def blocks_backend(self, backend: dict[str, Any]) -> str:
        return self.blocked

    def blocks_webhook(self, webhook: dict[str, Any]) -> str:
        return self.blocked

    def why_unreachable(self, backend: dict[str, Any]) -> str:
        return self.unreachable


class Releases:
    def live(self) -> Release:
        return RELEASE


@dataclass(frozen=True)
class FakeLoop(Loop):
    told: Any = None

    def label_studio(self) -> Any:
        return self.told

    def releases(self) -> Any:
        return Releases()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def loop(told: Told) -> Loop:
    return FakeLoop(SETTINGS, project_id=1, told=told)


def says(finding: Finding) -> str:
    return f"{finding.state}: {finding.found} {finding.cure}"


def test_a_project_as_connect_leaves_it_passes(loop: Loop) -> None:
    looks = [
        *(label_studio.settings, label_studio.labelling, label_studio.labels),
        *(connections.photo_storage, connections.annotation_storage, connections.backend, connections.webhook),
    ]

    assert [str(look(loop).state) for look in looks] == ["ok"] * 7


def test_a_label_of_the_model_that_the_project_lacks_is_a_warning(loop: Loop, told: Told) -> None:
    unmapped = SETTINGS.model_copy(update={"backend": SETTINGS.backend.model_copy(update={"label_map": {}})})

    found = says(label_studio.labels(replace(loop, settings=unmapped)))

    assert "warn: the model says tomato_red" in found
    assert "LABEL_MAP" in found


def test_a_configuration_without_regions_can_not_be_filled(loop: Loop, told: Told) -> None:
    told.settings["label_config"] = '<View><Image name="image" value="$image"/></View>'

    assert "BrushLabels" in says(label_studio.labelling(loop))


def test_a_project_that_shows_other_predictions_is_a_warning(loop: Loop, told: Told) -> None:
    told.settings["model_version"] = "SAM"

    assert says(label_studio.settings(loop)).startswith("warn: model_version is 'SAM'")


def test_an_address_that_label_studio_blocks_names_the_switch(loop: Loop, told: Told) -> None:
    told.backend["state"], told.blocked = "DI", "URL resolves to a reserved network address (block: 10.0.0.0/8)"

    assert "ML_BLOCK_LOCAL_IP=false" in says(connections.backend(loop))
    assert "SSRF_PROTECTION_ENABLED=false" in says(connections.webhook(loop))


def test_a_backend_out_of_reach_is_told_in_label_studios_own_words(loop: Loop, told: Told) -> None:
    told.backend["state"] = "DI"
    told.unreachable = "{'non_field_errors': [\"Can't connect. Additional info: Connection refused\"]}"

    found = connections.backend(loop)

    assert found.found == f"Label Studio does not reach {URL}: Connection refused"
    assert "--backend-url" in found.cure


def test_credentials_that_the_backend_refuses_are_named(loop: Loop, told: Told) -> None:
    told.backend |= {"state": "ER", "error_message": "401 Client Error: UNAUTHORIZED for url: http://b/setup"}

    assert "PHENOLOOP_BACKEND__USER" in says(connections.backend(loop))


def test_a_backend_on_another_release_is_a_warning(loop: Loop, told: Told) -> None:
    told.backend["model_version"] = "phenoloop-old"

    assert says(connections.backend(loop)).startswith("warn: it serves phenoloop-old")


def test_photos_in_a_bucket_that_the_backend_does_not_read_are_named(loop: Loop, told: Told) -> None:
    told.source["bucket"] = "archive"

    assert "EXTRA_IMAGE_BUCKETS" in says(connections.photo_storage(loop))


def test_a_bucket_that_label_studio_can_not_list_names_its_own_credentials(loop: Loop, told: Told) -> None:
    told.unlisted = "Cannot find bucket photos in S3"

    for look in (connections.photo_storage, connections.annotation_storage):
        assert "Cannot find bucket photos" in says(look(loop))
        assert "Label Studio's own process" in says(look(loop))


def test_annotations_written_elsewhere_are_a_failure(loop: Loop, told: Told) -> None:
    told.target["prefix"] = "elsewhere"

    assert "no S3 target storage writes to s3://photos/annotations/" in says(connections.annotation_storage(loop))


def test_annotations_written_below_a_second_slash_are_a_failure(loop: Loop, told: Told) -> None:
    told.target["prefix"] = "annotations/"

    found = says(connections.annotation_storage(loop))

    assert "it writes to annotations//, not to annotations/" in found
    assert "final slash" in found


def test_a_webhook_with_other_credentials_fails_and_shows_none(loop: Loop, told: Told) -> None:
    told.hook["headers"] = {"Authorization": "Basic b3RoZXI="}

    found = says(connections.webhook(loop))

    assert found.startswith("failed: its credentials differ")
    assert "Basic" not in found
