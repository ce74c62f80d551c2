"""The quick client asks as boto3 does: at the same address, in its region, with its credentials, proxy and CAs."""

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from botocore.config import Config

from phenoloop.errors import AnnotationMissing, StorageUnavailable
from sync.annotations import read_object
from sync.catalogue import Catalogue
from sync.quick_s3 import quick

ONCE = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})
SCOPE = re.compile(r"Credential=([^,]+)/\d{8}/([^/]+)/s3/")


class S3(ThreadingHTTPServer):
    """Answers every read with the same, and notes how it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[tuple[Any, ...]] = []
        self.status, self.body, self.region = 200, b"{}", ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3

    def do_GET(self) -> None:
        if self.path.rstrip("/").endswith("annotations/7"):
            key, region = SCOPE.search(self.headers["Authorization"]).groups()  # type: ignore[union-attr]
            token = self.headers.get("x-amz-security-token")
            self.server.asked.append((self.headers["Host"], self.path, key, region, token))
        self._answer(self.server.status, self.server.body)

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "ETag": '"1"',
            "Last-Modified": "Sun, 01 Mar 2026 10:00:00 GMT",
            "Content-Length": str(len(body)),
            "x-amz-bucket-region": self.server.region,
        }.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "whoever")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "for an hour")
    with serving(S3()) as server:
        yield server


@contextmanager
def serving(server: S3) -> Iterator[S3]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client(endpoint_url: str | None = None, region: str = "eu-central-1") -> Any:
    return boto3.Session().client("s3", region_name=region, endpoint_url=endpoint_url, config=ONCE)


def asked_by_both(s3: S3, plain: Any) -> tuple[Any, Any]:
    for asks in (plain, quick(plain)):
        assert read_object(asks, "loop", "annotations/7") is not None
    by_boto3, by_quick = s3.asked
    return by_boto3, by_quick


def test_an_address_without_a_name_is_asked_with_the_bucket_in_the_path(s3: S3) -> None:
    by_boto3, by_quick = asked_by_both(s3, client(s3.url))

    assert by_boto3 == by_quick
    assert by_quick[1:] == ("/loop/annotations/7", "whoever", "eu-central-1", "for an hour")


@pytest.mark.parametrize(("style", "host"), [("virtual", "loop.s3.example.org"), ("path", "s3.example.org")])
def test_through_a_proxy_the_same_host_is_asked(s3: S3, monkeypatch: pytest.MonkeyPatch, style: Any, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", s3.url)
    addressing = ONCE.merge(Config(s3={"addressing_style": style}))
    plain = boto3.Session().client(
        "s3", region_name="eu-central-1", endpoint_url="http://s3.example.org", config=addressing
    )

    by_boto3, by_quick = asked_by_both(s3, plain)

    assert by_boto3 == by_quick
    assert by_quick[0] == host


def test_a_bucket_of_another_region_is_asked_in_its_own(s3: S3) -> None:
    s3.region = "eu-west-1"

    assert read_object(quick(client(s3.url)), "loop", "annotations/7") is not None

    assert s3.asked[-1][3] == "eu-west-1"


def test_a_ca_bundle_is_trusted_and_without_it_the_server_is_not(
    s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    s3.socket = context.wrap_socket(s3.socket, server_side=True)
    url = s3.url.replace("http:", "https:")
    with pytest.raises(StorageUnavailable):
        read_object(quick(client(url)), "loop", "annotations/7")

    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))

    assert read_object(quick(client(url)), "loop", "annotations/7") is not None


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (503, "SlowDown", StorageUnavailable),
        (500, "InternalError", StorageUnavailable),
        (403, "AccessDenied", AnnotationMissing),
        (403, "RequestTimeTooSkewed", StorageUnavailable),
    ],
)
def test_s3s_code_is_told_as_boto3_would(s3: S3, status: int, code: str, error: type[Exception]) -> None:
    s3.status, s3.body = status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    heard: list[tuple[str, str]] = []
    for asks in (client(s3.url), quick(client(s3.url), lambda *call: heard.append(call))):
        with pytest.raises(error) as refused:
            read_object(asks, "loop", "annotations/7")
        assert refused.value.facts["code"] == code  # type: ignore[attr-defined]

    assert heard == [("GetObject", code)]


@pytest.mark.parametrize("body", [b"<html>log in first</html>", b"{}", b""])
def test_a_listing_that_is_none_of_s3s_is_no_empty_bucket(s3: S3, body: bytes) -> None:
    s3.body = body

    with pytest.raises(StorageUnavailable):
        Catalogue.listed(quick(client(s3.url)), "loop", "annotations/")


def test_without_credentials_storage_is_unavailable(s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))

    with pytest.raises(StorageUnavailable):
        read_object(quick(client(s3.url)), "loop", "annotations/7")
