"""The backend as its own process, speaking HTTPS."""

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
import trustme

from phenoloop.local_aws.sagemaker.containers import free_port
from tests.conftest import eventually

pytestmark = pytest.mark.integration

PASSWORD = "a long enough password"


@dataclass(frozen=True)
class HttpsBackend:
    port: int
    authority: Path
    """Certificate of who signed the backend's."""
    pid: int


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsBackend]:
    """With secrets in files, without any AWS to talk to."""
    folder = tmp_path_factory.mktemp("https")
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "PHENOLOOP_LABEL_STUDIO__TOKEN").write_text("token")
    (secrets / "PHENOLOOP_BACKEND__PASSWORD").write_text(f"{PASSWORD}\n")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(secrets / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    for file in secrets.iterdir():
        file.chmod(0o400)
    port, nowhere = free_port(), f"http://127.0.0.1:{free_port()}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PHENOLOOP_"))} | {
        "PHENOLOOP_SECRETS": str(secrets),
        "PHENOLOOP_STORAGE__BUCKET": "photos",
        "PHENOLOOP_LABEL_STUDIO__URL": nowhere,
        "PHENOLOOP_QUEUE_URL": nowhere,
        "PHENOLOOP_BACKEND__PORT": str(port),
        "PHENOLOOP_BACKEND__TLS_CERTIFICATE": str(folder / "certificate.pem"),
        "PHENOLOOP_BACKEND__TLS_KEY": str(secrets / "key.pem"),
        "AWS_ENDPOINT_URL": nowhere,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with subprocess.Popen([sys.executable, "-m", "ml_backend"], env=environment) as process:
        try:
            eventually(lambda: _listens(port), within_s=30)
            yield HttpsBackend(port, folder / "authority.pem", process.pid)
        finally:
            process.terminate()
    assert process.returncode == 0


def test_who_trusts_the_authority_gets_an_answer(backend: HttpsBackend) -> None:
    health = requests.get(f"https://localhost:{backend.port}/health", verify=str(backend.authority), timeout=30)
    assert health.json()["status"] == "UP"
    assert "Strict-Transport-Security" in health.headers
    assert health.headers["Server"] == "gunicorn"  # and not which one


def test_the_password_of_the_file_opens(backend: HttpsBackend) -> None:
    url = f"https://localhost:{backend.port}/metrics"
    known = requests.get(url, auth=("phenoloop", PASSWORD), verify=str(backend.authority), timeout=30)
    unknown = requests.get(url, auth=("phenoloop", "another"), verify=str(backend.authority), timeout=30)
    assert (known.status_code, unknown.status_code) == (200, 401)


def test_plain_http_is_not_answered(backend: HttpsBackend) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://localhost:{backend.port}/health", timeout=10)


def test_tls_older_than_1_2_is_refused_by_the_backend(backend: HttpsBackend) -> None:
    old = ssl.create_default_context(cafile=str(backend.authority))
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("localhost", backend.port)) as plain, pytest.raises(ssl.SSLError) as refused:
        old.wrap_socket(plain, server_hostname="localhost")
    assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"  # said by the other side


def test_no_secret_is_in_the_environment_or_on_the_command_line(backend: HttpsBackend) -> None:
    process = psutil.Process(backend.pid)
    told = [*process.cmdline(), *process.environ().values()]
    assert [text for text in told if PASSWORD in text] == []


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
