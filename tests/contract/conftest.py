"""The S3s that the stores must work with: moto, and the embedded one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from phenoloop.local_aws.processes import Supervisor
from phenoloop.local_aws.sagemaker.containers import free_port
from phenoloop.local_aws.services import ministack


@pytest.fixture(scope="session")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running MiniStack."""
    folder, port = tmp_path_factory.mktemp("ministack"), free_port()
    supervisor = Supervisor(Path(folder) / "logs")
    supervisor.start(ministack(Path(folder), port))
    try:
        supervisor.wait_until_ready("ministack")
        yield f"http://127.0.0.1:{port}"
    finally:
        supervisor.stop()


@pytest.fixture(params=["moto", "embedded"])
def s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    if request.param == "moto":
        with mock_aws():
            yield boto3.client("s3", region_name="us-east-1")
    else:
        url = request.getfixturevalue("embedded_url")
        yield boto3.client("s3", region_name="us-east-1", endpoint_url=url)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"loop-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name
