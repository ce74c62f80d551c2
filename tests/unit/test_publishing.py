from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from phenoloop.cli.main import app
from phenoloop.errors import SettingsInvalid
from phenoloop.publishing.content import module_files
from phenoloop.publishing.publishing import answered_by, publish
from phenoloop.publishing.remote import GitRemote
from phenoloop.settings import BackendSettings, LabelStudioSettings, Loc360Settings, Settings, StorageSettings
from tests.unit.fake_models import DETECTOR_MODEL, SEGMENTER_MODEL
from tests.unit.published_things import bare_repository, named_release


def settings_with(**loc360: str) -> Settings:
    return Settings(
        storage=StorageSettings(bucket="photos"),
        label_studio=LabelStudioSettings(url="http://localhost:8080", token=SecretStr("token")),
        backend=BackendSettings(password=SecretStr("password of tests")),
        queue_url="https://sqs.example.org/queue",
        loc360=Loc360Settings(**loc360),  # type: ignore[arg-type]
    )


class Echo:
    def invoke(self, endpoint_name: str, payload: str) -> str:
        return f"{endpoint_name} got {payload}"

    def invoke_each(self, endpoint_name: str, payloads: object) -> list[str]:
        raise AssertionError("the platform calls one by one")


def test_without_a_remote_nothing_is_published() -> None:
    assert not publish(named_release(), settings_with())


def test_what_is_published_already_is_neither_built_nor_checked_again(tmp_path: Path) -> None:
    release, settings = named_release(), settings_with(remote=str(bare_repository(tmp_path)))
    GitRemote(settings.loc360).publish(module_files(release), tag=release.name, first=lambda: None)

    assert not publish(release, settings)


def test_each_model_is_answered_by_its_endpoint_of_the_release() -> None:
    answer = answered_by(named_release(), Echo())

    assert answer(DETECTOR_MODEL, "a photo") == "detector-1 got a photo"
    assert answer(SEGMENTER_MODEL, "crops") == "segmenter-1 got crops"


@pytest.mark.parametrize("words", [[], ["--remote", "https://me:secret@git.example.org/a"]])
def test_a_remote_that_cant_be_used_is_said_with_the_cure(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "STORAGE__BUCKET": "photos",
        "LABEL_STUDIO__URL": "http://localhost:8080",
        "LABEL_STUDIO__TOKEN": "token",
        "BACKEND__PASSWORD": "password of tests",
        "QUEUE_URL": "https://sqs.example.org/queue",
    }.items():
        monkeypatch.setenv(f"PHENOLOOP_{name}", value)

    done = CliRunner().invoke(app, ["loc360", "publish", *words])

    assert isinstance(done.exception, SettingsInvalid)
    assert "secret" not in str(done.exception)
    assert done.exception.cure
