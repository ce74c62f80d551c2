"""Settings are read once and say what is wrong with them."""

from pathlib import Path

import pytest

from phenoloop.errors import SettingsInvalid
from phenoloop.settings import read_settings

COMPLETE = {
    "PHENOLOOP_STORAGE__BUCKET": "photos",
    "PHENOLOOP_LABEL_STUDIO__URL": "http://label-studio:8080",
    "PHENOLOOP_LABEL_STUDIO__TOKEN": "token",
    "PHENOLOOP_BACKEND__PASSWORD": "hidden-word",
    "PHENOLOOP_QUEUE_URL": "http://queue",
}


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_environment_alone_is_enough(complete: pytest.MonkeyPatch) -> None:
    settings = read_settings()
    assert settings.storage.image_buckets == {"photos"}
    assert settings.backend.password.get_secret_value() == "hidden-word"


def test_a_password_does_not_show_when_settings_are_printed(complete: pytest.MonkeyPatch) -> None:
    assert "hidden-word" not in repr(read_settings())


def test_a_missing_variable_is_named(complete: pytest.MonkeyPatch) -> None:
    complete.delenv("PHENOLOOP_STORAGE__BUCKET")
    with pytest.raises(SettingsInvalid, match="STORAGE"):
        read_settings()


def test_what_is_missing_shows_no_secret_not_even_in_the_cause(complete: pytest.MonkeyPatch) -> None:
    complete.setenv("PHENOLOOP_LABEL_STUDIO__TOKEN", "hidden-token")
    complete.delenv("PHENOLOOP_LABEL_STUDIO__URL")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings()
    assert "hidden" not in f"{caught.value} {caught.value.__cause__}"


def test_a_file_gives_what_the_environment_leaves_open(complete: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("storage: {bucket: from-file, images_prefix: raw/}\nbackend: {label_map: {tomato_red: tomato}}\n")
    complete.setenv("PHENOLOOP_CONFIG", str(file))
    settings = read_settings()
    assert (settings.storage.bucket, settings.storage.images_prefix) == ("photos", "raw/")
    assert settings.backend.label_map == {"tomato_red": "tomato"}


def test_a_deadline_that_label_studio_would_not_wait_for_is_refused(complete: pytest.MonkeyPatch) -> None:
    complete.setenv("PHENOLOOP_BACKEND__PREDICT_DEADLINE_S", "120")
    with pytest.raises(SettingsInvalid, match="less than 100"):
        read_settings()
