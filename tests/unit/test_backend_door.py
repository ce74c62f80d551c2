"""The backend's door: who gets in, what every answer says of itself, which key it takes for HTTPS."""

from base64 import b64encode
from pathlib import Path

import pytest
from pydantic import SecretStr

from ml_backend.__main__ import gunicorn_options
from ml_backend.app import create_app
from phenoloop.errors import SettingsInvalid
from phenoloop.settings import BackendSettings
from tests.unit.backend_fakes import backend

PASSWORD = "pässword of tests"


def status(authorization: str | None, path: str = "/versions") -> int:
    served = backend()
    headers = {} if authorization is None else {"Authorization": authorization}
    return create_app(served, served.settings).test_client().get(path, headers=headers).status_code


def encoded(credentials: str, encoding: str = "utf-8") -> str:
    return b64encode(credentials.encode(encoding)).decode()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])  # browsers and curl; Label Studio
def test_a_password_that_is_not_ascii_opens_however_the_client_encodes_it(encoding: str) -> None:
    assert status(f"Basic {encoded(f'phenoloop:{PASSWORD}', encoding)}") == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic \xff\xfe",
        "Basic " + "A" * 100_000,
        f"Bearer {encoded(f'phenoloop:{PASSWORD}')}",
        f"Basic {encoded(f'phenoloop:{PASSWORD}x')}",
        f"Basic {encoded(f'phenoloop:{PASSWORD[:-1]}')}",
        f"Basic {encoded(PASSWORD)}",
        f"Basic {encoded('phenoloop:p?ssword of tests')}",
    ],
)
def test_any_other_header_is_refused(header: str | None) -> None:
    assert status(header) == 401


@pytest.mark.parametrize("path", ["/health", "/versions", "/nowhere"])
def test_every_answer_says_that_there_is_nothing_to_show_guess_or_keep(path: str) -> None:
    served = backend()
    answer = create_app(served, served.settings).test_client().get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Strict-Transport-Security" not in answer.headers


def test_over_https_browsers_are_told_to_stay_there() -> None:
    served = backend()
    answer = create_app(served, served.settings).test_client().get("/health", base_url="https://backend:9090")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def tls(folder: Path, *, key_mode: int) -> BackendSettings:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.touch()
    key.touch(key_mode)
    return BackendSettings(password=SecretStr(PASSWORD), tls_certificate=certificate, tls_key=key)


def test_a_key_that_only_we_may_read_is_taken(tmp_path: Path) -> None:
    assert gunicorn_options(tls(tmp_path, key_mode=0o400))["keyfile"] == str(tmp_path / "key.pem")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"chmod 440 .*key\.pem"):
        gunicorn_options(tls(tmp_path, key_mode=0o644))


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = tls(tmp_path, key_mode=0o400)
    (tmp_path / "certificate.pem").unlink()
    with pytest.raises(SettingsInvalid, match=r"certificate\.pem"):
        gunicorn_options(settings)
