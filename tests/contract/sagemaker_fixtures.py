"""Servers to test against. A pytest plugin: test modules name it in `pytest_plugins`."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenoloop.local_aws.processes import answers
from tests.contract.sagemaker_server import BUCKET, SageMakerServer, archive, client, wait_until


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Moto's server: the S3 of ours, and the SageMaker that ours is held against.

    A process of its own, since every `mock_aws` in this one would empty it.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/moto-api/"), timeout_s=30)
    s3 = client("s3", url)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive(**{"model.json": "{}", "code/inference.py": "#"}))
    s3.put_object(Bucket=BUCKET, Key="broken.tar.gz", Body=b"no archive")
    s3.put_object(Bucket=BUCKET, Key="escaping.tar.gz", Body=archive(**{"model.json": "{}", "../../escaped": "!"}))
    yield url
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def sagemaker_server(moto_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SageMakerServer]:
    server = SageMakerServer(tmp_path_factory.mktemp("sagemaker"), moto_url).start()
    yield server
    server.stop()


@pytest.fixture
def own_sagemaker_server(moto_url: str, tmp_path: Path) -> Iterator[SageMakerServer]:
    """One that a test may kill."""
    server = SageMakerServer(tmp_path / "sagemaker", moto_url).start()
    yield server
    if server.is_running:
        server.stop()
