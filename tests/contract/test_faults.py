"""The product's three clients behind the campaign's own proxy: every fault is one clear error, in time."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
import stamina
from botocore.config import Config

from phenoloop.chain.endpoints import Endpoints, sagemaker_runtime_client
from phenoloop.chain.images import ImageStore, photo_client
from phenoloop.chain.releases import ReleaseStore
from phenoloop.demo.faults.faults import Fault, Kind, Service
from phenoloop.demo.faults.proxy import FaultProxy
from phenoloop.errors import (
    EndpointRefused,
    EndpointUnavailable,
    LabelStudioRefused,
    LabelStudioUnavailable,
    PhenoloopError,
    ReleaseMissing,
    StorageUnavailable,
)
from phenoloop.labelling.client import LabelStudio
from phenoloop.settings import ChainSettings
from sync.catalogue import Catalogue

SILENCE_S, WHOLE_S = 0.6, 1.2
"""How long a client waits for the next byte, and for the last one."""
IN_TIME_S = WHOLE_S + SILENCE_S + 2.0
PHOTO = b"\xff\xd8 as good as a photo" * 20_000
FAULTS = [kind for kind in Kind if kind is not Kind.SKEW]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


@pytest.fixture
def answering() -> Iterator[str]:
    """An upstream that answers everything with the same JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"release": "1.23.2", "padding": "%s"}' % (b"x" * 200))

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def proxy(upstream: str, service: Service) -> FaultProxy:
    return FaultProxy(upstream, service, seed=1)


def always(kind: Kind) -> Fault:
    return Fault(kind, share=1.0, lasts_s=5.0)


def failure(work: Callable[[], object]) -> PhenoloopError:
    """What `work` raises, which has to be one of ours, and in time."""
    started_s = time.monotonic()
    with pytest.raises(PhenoloopError) as raised:
        work()
    assert time.monotonic() - started_s < 2 * IN_TIME_S
    return raised.value


# S3


@pytest.fixture
def stored(embedded_url: str) -> str:
    """URI of a photo."""
    s3 = boto3.client("s3", endpoint_url=embedded_url)
    s3.create_bucket(Bucket="faults")
    s3.put_object(Bucket="faults", Key="1.jpg", Body=PHOTO)
    s3.get_object(Bucket="faults", Key="1.jpg")["Body"].read()  # its first answer takes longer
    return "s3://faults/1.jpg"


def images(monkeypatch: pytest.MonkeyPatch, url: str, *, timeout_s: float = WHOLE_S) -> ImageStore:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    client = photo_client(ChainSettings(image_timeout_s=SILENCE_S))
    return ImageStore(client, ["faults"], 10_000_000, timeout_s=timeout_s)


def fetched(store: ImageStore, uri: str) -> bytes:
    with store.fetch(uri) as image:
        return image.path.read_bytes()


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.RUBBISH])
def test_a_photo_comes_whole_or_not_at_all(
    embedded_url: str, stored: str, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    with proxy(embedded_url, Service.S3) as between:
        store = images(monkeypatch, between.url)
        with between.faulty(always(kind)) as counts:
            error = failure(lambda: fetched(store, stored))
        assert isinstance(error, StorageUnavailable)
        assert error.facts["uri"] == stored
        assert ("clock" in error.cure) == (kind is Kind.SKEW)
        assert counts.requests >= 1
        assert fetched(store, stored) == PHOTO


def test_rubbish_in_a_photos_place_is_not_taken_for_it(
    embedded_url: str, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(embedded_url, Service.S3) as between:
        store = images(monkeypatch, between.url)
        with between.faulty(always(Kind.RUBBISH)):
            assert isinstance(failure(lambda: fetched(store, stored)), StorageUnavailable)


def test_an_attempt_that_broke_off_is_made_again_from_the_start(
    embedded_url: str, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(embedded_url, Service.S3) as between, stamina.set_testing(True, attempts=3):
        store = images(monkeypatch, between.url, timeout_s=60)
        with between.faulty(Fault(Kind.HALF, share=0.4)) as counts:
            assert all(fetched(store, stored) == PHOTO for _ in range(4))
        assert counts.asked_again > 0


def test_a_release_that_came_broken_is_no_missing_release(embedded_url: str, stored: str) -> None:
    with proxy(embedded_url, Service.S3) as between:
        config = Config(connect_timeout=1, read_timeout=SILENCE_S, retries={"total_max_attempts": 1})
        s3: Any = boto3.client("s3", endpoint_url=between.url, config=config)
        s3.put_object(Bucket="faults", Key="releases/live.json", Body=b'{"not": "a pointer"}')
        releases = ReleaseStore(s3, "faults")
        for kind in (Kind.HALF, Kind.RESET, Kind.STALL, Kind.FAILING, Kind.THROTTLED, Kind.SKEW):
            with between.faulty(always(kind)):
                assert isinstance(failure(releases.pointer), StorageUnavailable), kind
        assert isinstance(failure(releases.pointer), ReleaseMissing)


def test_rubbish_is_never_taken_for_an_empty_folder(embedded_url: str, stored: str) -> None:
    with proxy(embedded_url, Service.S3) as between:
        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
        s3: Any = boto3.client("s3", endpoint_url=between.url, config=config)
        nothing = Catalogue.listed(s3, "faults", "annotations/")
        assert not nothing.objects
        for _ in range(6):  # rubbish is of several kinds
            with between.faulty(always(Kind.RUBBISH)):
                for look in (
                    partial(Catalogue.listed, s3, "faults", "annotations/"),
                    partial(nothing.after, "annotations/1"),
                ):
                    assert isinstance(failure(look), StorageUnavailable)


# SageMaker


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.RUBBISH])
def test_a_reply_comes_whole_or_not_at_all(answering: str, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    with proxy(answering, Service.SAGEMAKER) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", between.url)
        runtime = sagemaker_runtime_client(ChainSettings(invoke_timeout_s=SILENCE_S))
        endpoints = Endpoints(runtime, slots=2, attempts=2, timeout_s=WHOLE_S)
        with between.faulty(always(kind)):
            error = failure(lambda: endpoints.invoke("detector-1", "{}"))
        assert isinstance(error, EndpointRefused if kind is Kind.SKEW else EndpointUnavailable)
        assert ("clock" in error.cure) == (kind is Kind.SKEW)
        assert endpoints.invoke("detector-1", "{}").startswith("{")


# Label Studio


@pytest.mark.parametrize("kind", FAULTS)
def test_label_studios_answer_comes_whole_or_not_at_all(answering: str, kind: Kind) -> None:
    with proxy(answering, Service.LABEL_STUDIO) as between:
        label_studio = LabelStudio(between.url, "hush-hush", timeout_s=SILENCE_S, attempts=2)
        with between.faulty(always(kind)):
            error = failure(label_studio.version)
        rubbish = (LabelStudioRefused, LabelStudioUnavailable)
        assert isinstance(error, rubbish if kind is Kind.RUBBISH else LabelStudioUnavailable)
        assert "hush-hush" not in str(error)
        assert label_studio.version() == "1.23.2"


def test_what_may_have_been_done_is_not_asked_for_again(answering: str) -> None:
    with proxy(answering, Service.LABEL_STUDIO) as between:
        label_studio = LabelStudio(between.url, "token", timeout_s=SILENCE_S, attempts=3)
        for kind in (Kind.HALF, Kind.STALL, Kind.RESET, Kind.TRICKLE):
            with between.faulty(always(kind)) as counts:
                failure(lambda: label_studio.create_project("Tomatoes", "<View/>"))
            assert counts.requests == 1, kind
