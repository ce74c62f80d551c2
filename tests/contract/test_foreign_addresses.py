"""Whoever writes tasks, packages, jobs or answers never chooses where our requests and credentials go."""

import dataclasses
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from redis import Redis
from rq.job import Callback, Job
from rq.serializers import JSONSerializer, PickleSerializer
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from ml_backend.prelabel import prelabel_chunk
from phenoloop.chain.images import ImageStore
from phenoloop.errors import ImageRefused, JobRefused, LabelStudioRefused, NotAChain
from phenoloop.jobs import JOB, PrelabelJob
from phenoloop.labelling.client import LabelStudio
from sync.registry import chain_package
from tests.contract.chain_aws import BUCKET, Aws
from tests.contract.recorded_label_studio import RecordedLabelStudio


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Aws(tmp_path)


class NotAsked:
    """A client of which nothing may be wanted."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://loop.s3.amazonaws.com/1.jpg",
        "s3://loop@elsewhere/1.jpg",
        "s3://loop:80@elsewhere/1.jpg",
        "s3://loop.elsewhere/1.jpg",
        "s3://LOOP/1.jpg",
        "s3://loop\\elsewhere/1.jpg",
        "s3://loop%2Felsewhere/1.jpg",
        "s3://arn:aws:s3:us-east-1:000000000000:accesspoint/loop/object/1.jpg",
        "s3://arn:aws:s3-object-lambda:us-east-1:000000000000:accesspoint/loop/1.jpg",
        "s3://./loop/1.jpg",
        "s3:///loop/1.jpg",
        "s3://loop/../elsewhere/1.jpg",
        "s3://loop/images/../../elsewhere/1.jpg",
        "s3://loop/..",
        "file:///etc/passwd",
        "/data/local-files/?d=etc/passwd",
        "\ns3://loop/1.jpg",
    ],
)
def test_a_photo_elsewhere_is_refused_before_anything_is_asked(uri: str) -> None:
    images = ImageStore(NotAsked(), ["loop"], max_bytes=1000)  # type: ignore[arg-type]
    with pytest.raises(ImageRefused), images.fetch(uri):
        pass
    with pytest.raises(ImageRefused):
        images.describe(uri)


@pytest.mark.parametrize(
    "url", ["s3://elsewhere/manifest.json", "https://elsewhere/m.json", "s3://phenoloop@elsewhere/m"]
)
def test_a_package_whose_manifest_lies_elsewhere_is_no_chain_of_ours(aws: Aws, url: str) -> None:
    good = chain_package(aws.sagemaker, aws.register(aws.upload()))
    foreign = dataclasses.replace(good, artifacts=dataclasses.replace(good.artifacts, manifest_url=url))
    with pytest.raises(NotAChain, match=BUCKET):
        aws.releaser.advance(foreign)


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_never_carries_our_token_elsewhere(status: int) -> None:
    with RecordedLabelStudio([]) as elsewhere:
        pointing = make_server("127.0.0.1", 0, _redirect(f"{elsewhere.url}/api/version", status))
        label_studio = LabelStudio(f"http://127.0.0.1:{pointing.port}", "token", attempts=1)
        with _serving(pointing), pytest.raises(LabelStudioRefused, match="elsewhere"):
            label_studio.version()
        assert elsewhere.authorizations == []


def raw_job(function: str, arguments: tuple[Any, ...] = (), *, serializer: Any = JSONSerializer, **more: Any) -> Any:
    """As someone who may write to our Redis puts it there."""
    job = Job.create(function, arguments, connection=Redis(), serializer=serializer, **more)
    texts = {name: v if isinstance(v, str | bytes) else str(v) for name, v in job.to_dict().items()}
    return {name.encode(): v.encode() if isinstance(v, str) else v for name, v in texts.items()}


def read_job(raw: Any) -> PrelabelJob:
    job = PrelabelJob("id", connection=Redis(), serializer=JSONSerializer)
    job.restore(raw)
    return job


def test_the_one_job_that_there_is_is_done() -> None:
    job = read_job(raw_job(JOB, (3, [1, 2])))
    assert (job.func, job.args) == (prelabel_chunk, [3, [1, 2]])


@pytest.mark.parametrize("function", ["os.system", "subprocess.run", "ml_backend.prelabel.prelabel"])
def test_a_job_that_names_another_function_is_refused(function: str) -> None:
    with pytest.raises(JobRefused):
        _ = read_job(raw_job(function, (3, [1]))).func


def test_a_pickled_job_is_not_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    raw = raw_job(JOB, (3, [1]), serializer=PickleSerializer)
    raw[b"data"] = raw[b"meta"] = raw[b"result"] = pickle.dumps(Bomb())
    with pytest.raises(JobRefused):
        _ = read_job(raw).func
    assert not (tmp_path / "ran").exists()


def test_a_job_brings_no_callbacks_and_no_webhooks() -> None:
    callback = Callback("os.getpid")
    raw = raw_job(JOB, (3, [1]), on_success=callback, on_failure=callback, on_stopped=callback)
    raw[b"webhooks"] = b'[{"url": "http://elsewhere/", "job_status": "failed", "method": "GET", "timeout": 1}]'
    job = read_job(raw)
    assert [job.success_callback, job.failure_callback, job.stopped_callback, job.webhooks] == [None, None, None, []]


@pytest.mark.parametrize("arguments", [("../users", [1]), (3, ["1/../../users"]), (3, "12"), (True, [1]), (3.5, [1])])
def test_a_job_whose_numbers_are_none_is_refused(arguments: Any) -> None:
    """They become parts of addresses at Label Studio."""
    with pytest.raises(JobRefused):
        _ = read_job(raw_job(JOB, arguments)).func


@contextmanager
def _serving(server: BaseWSGIServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _redirect(location: str, status: int) -> Any:
    @Request.application
    def answer(_: Request) -> Response:
        return Response(status=status, headers={"Location": location})

    return answer
