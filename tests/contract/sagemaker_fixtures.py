"""Servers to test against. A pytest plugin: test modules name it in `pytest_plugins`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from tests.contract.sagemaker_server import BUCKET, SageMakerServer, archive, client


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Moto's server: the S3 of ours, and the SageMaker that ours is held against."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    s3 = client("s3", url)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive(**{"model.json": "{}", "code/inference.py": "#"}))
    s3.put_object(Bucket=BUCKET, Key="broken.tar.gz", Body=b"no archive")
    s3.put_object(Bucket=BUCKET, Key="escaping.tar.gz", Body=archive(**{"model.json": "{}", "../../escaped": "!"}))
    yield url
    server.stop()


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
