"""Settings are read once and say what is wrong with them."""

from pathlib import Path

import pytest

from phenoloop.errors import SettingsInvalid
from phenoloop.settings import read_settings

COMPLETE = {
    "PHENOLOOP_STORAGE__BUCKET": "photos",
    "PHENOLOOP_LABEL_STUDIO__URL": "http://label-studio:8080",
    "PHENOLOOP_LABEL_STUDIO__TOKEN": "token",
    "PHENOLOOP_BACKEND__PASSWORD": "hidden-password",
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
    assert settings.backend.password.get_secret_value() == "hidden-password"


def test_a_password_does_not_show_when_settings_are_printed(complete: pytest.MonkeyPatch) -> None:
    assert "hidden-password" not in repr(read_settings())


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


@pytest.fixture
def secrets(complete: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of secrets, and no secret in the environment."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("PHENOLOOP_LABEL_STUDIO__TOKEN", "PHENOLOOP_BACKEND__PASSWORD"):
        complete.delenv(name)
        file = folder / name
        file.write_text(f"{COMPLETE[name]}\n")
        file.chmod(0o440)
    complete.setenv("PHENOLOOP_SECRETS", str(folder))
    return folder


def test_secrets_come_from_the_files_of_a_folder(secrets: Path) -> None:
    (secrets / "PHENOLOOP_REDIS_URL").write_text("redis://:word@redis/0")
    (secrets / "PHENOLOOP_REDIS_URL").chmod(0o400)
    settings = read_settings()
    assert settings.backend.password.get_secret_value() == "hidden-password"
    assert settings.redis_url == "redis://:word@redis/0"
    assert "word@" not in repr(settings)


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o442, 0o644])
def test_a_secret_that_others_may_read_or_write_is_refused_with_the_cure(secrets: Path, mode: int) -> None:
    (secrets / "PHENOLOOP_BACKEND__PASSWORD").chmod(mode)
    with pytest.raises(SettingsInvalid, match=r"chmod 440 .*PHENOLOOP_BACKEND__PASSWORD") as caught:
        read_settings()
    assert "hidden" not in str(caught.value)


def test_a_folder_of_secrets_that_is_not_there_is_named(complete: pytest.MonkeyPatch) -> None:
    complete.setenv("PHENOLOOP_SECRETS", "/not/there")
    with pytest.raises(SettingsInvalid, match="/not/there"):
        read_settings()


def test_a_settings_file_that_is_not_there_is_named(complete: pytest.MonkeyPatch) -> None:
    complete.setenv("PHENOLOOP_CONFIG", "/not/there.yaml")
    with pytest.raises(SettingsInvalid, match=r"/not/there\.yaml"):
        read_settings()


@pytest.mark.parametrize(
    "text",
    ["backend: {password: hidden-password}", "label_studio: {token: hidden}", "redis_url: redis://:hidden@redis/0"],
)
def test_a_secret_in_the_settings_file_is_refused(complete: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.yaml").write_text(text)
    complete.setenv("PHENOLOOP_CONFIG", str(tmp_path / "settings.yaml"))
    with pytest.raises(SettingsInvalid, match="PHENOLOOP_SECRETS") as caught:
        read_settings()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("text", ["storage: [not", "just words", "storage: 3", "3"])
def test_a_settings_file_that_is_none_is_refused_clearly(
    complete: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    (tmp_path / "settings.yaml").write_text(text)
    complete.setenv("PHENOLOOP_CONFIG", str(tmp_path / "settings.yaml"))
    complete.delenv("PHENOLOOP_STORAGE__BUCKET")
    with pytest.raises(SettingsInvalid):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKEND__PASSWORD", "short"),
        ("BACKEND__PASSWORD", ""),
        ("BACKEND__USER", "with:colon"),
        ("LABEL_STUDIO__TOKEN", ""),
        ("LABEL_STUDIO__URL", "file:///etc/passwd"),
        ("STORAGE__BUCKET", "arn:aws:s3:us-east-1:000000000000:accesspoint/foreign"),
        ("STORAGE__EXTRA_IMAGE_BUCKETS", '["photos@elsewhere"]'),
        ("BACKEND__TLS_KEY", "/run/secrets/key"),
        ("STORAGE", "{not json"),
    ],
)
def test_a_value_that_is_weak_or_leads_elsewhere_is_refused(
    complete: pytest.MonkeyPatch, name: str, value: str
) -> None:
    complete.setenv(f"PHENOLOOP_{name}", value)
    with pytest.raises(SettingsInvalid, match=name.partition("__")[0].lower() + "|" + name.partition("__")[0]):
        read_settings()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"SUBNET_IDS": "subnet-a1"}, "go together"),
        ({"SUBNET_IDS": "subnet-a1, subnet-b2", "SECURITY_GROUP_IDS": "sg-c3"}, "SUBNET_IDS"),
        ({"SUBNET_IDS": "subnet-a1", "SECURITY_GROUP_IDS": "sg-c3", "SERVERLESS_MEMORY_MB": "2048"}, "serverless"),
    ],
)
def test_a_vpc_that_sagemaker_could_not_use_is_refused(
    complete: pytest.MonkeyPatch, given: dict[str, str], message: str
) -> None:
    for name, value in given.items():
        complete.setenv(f"PHENOLOOP_TRAINING__{name}", value)
    with pytest.raises(SettingsInvalid, match=message):
        read_settings()
