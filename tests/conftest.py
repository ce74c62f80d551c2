"""What several kinds of tests share: one running stack, seen from outside."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.loaders import JSONFileLoader

from phenoloop.demo.state import Ports
from phenoloop.labelling.client import LabelStudio
from phenoloop.local_aws.services import aws_environment

T = TypeVar("T")

PHOTOS = 12
"""Of the shared stack; several tests use one up each."""


@pytest.fixture(scope="session", autouse=True)
def aws_models_read_once() -> Iterator[None]:
    """Each test makes its own AWS clients; the megabytes of JSON that describe the services need one reading."""
    read = cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


def free_ports() -> dict[str, int]:
    sockets = {name: socket.socket() for name in Ports.model_fields}
    try:
        for opened in sockets.values():
            opened.bind(("127.0.0.1", 0))
        return {name: opened.getsockname()[1] for name, opened in sockets.items()}
    finally:
        for opened in sockets.values():
            opened.close()


def phenoloop(
    *words: str, timeout_s: float = 600, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "phenoloop.cli", *words]
    environment = os.environ | (settings or {})
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment)


def eventually(look: Callable[[], T | None], *, within_s: float = 60.0) -> T:
    """What `look` finds once it finds something. Fails if it never does."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"not seen within {within_s} s"
        time.sleep(0.2)


@dataclass(frozen=True)
class RunningStack:
    data_dir: Path
    words: tuple[str, ...]
    """Options that start it again on the same folder and ports."""

    def status(self) -> dict[str, Any]:
        return dict(json.loads(phenoloop("status", "--json", "--data-dir", str(self.data_dir)).stdout))

    def label_studio(self) -> LabelStudio:
        status = self.status()["label_studio"]
        return LabelStudio(status["url"], status["token"])

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's own services."""
        ports = Ports.parse([word for word in self.words if "=" in word])
        environment = aws_environment(s3_port=ports.s3, sagemaker_port=ports.sagemaker)
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        variable = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
        url = environment.get(variable, environment["AWS_ENDPOINT_URL"])
        return session.client(service, endpoint_url=url)  # type: ignore[call-overload]

    def heard(self, event: str, **facts: Any) -> dict[str, Any] | None:
        """The newest line of sync's log that tells of this with these facts."""
        written, _, _ = (self.data_dir / "logs" / "sync.log").read_text().rpartition("\n")  # no line that is half there
        lines = map(json.loads, written.splitlines())
        told = [line for line in lines if line["event"] == event and facts.items() <= line.items()]
        return told[-1] if told else None

    def changed_annotations(self) -> int:
        """How many sync knows of since the last run."""
        line = self.heard("annotations looked at")
        return int(line["changed"]) if line else 0


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """`phenoloop up --detach` with a few generated photos on free ports."""
    data_dir = tmp_path_factory.mktemp("stack")
    ports = [word for name, port in free_ports().items() for word in ("--port", f"{name}={port}")]
    running = RunningStack(data_dir, ("--data-dir", str(data_dir), "--photos", str(PHOTOS), *ports))
    settings = {
        "PHENOLOOP_TRAINING__PARAMETERS": json.dumps({"TimeLimitS": 10, "MinimumTestPhotos": 4}),
        "PHENOLOOP_RELEASE__SHADOW_FOUND": "0",  # what was trained for seconds finds nothing, and yet goes live here
        "PHENOLOOP_CHAIN__REPLY_CACHE_BYTES": "0",  # the tests see requests go all the way to the models
    }
    started = phenoloop("up", "--detach", *running.words, settings=settings)
    assert started.returncode == 0, started.stderr + (data_dir / "logs" / "up.log").read_text()
    yield running
    stopped = phenoloop("down", "--data-dir", str(data_dir))
    assert stopped.returncode == 0, stopped.stderr


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the shared stack runs in one process, all other slow tests in a second one beside it."""
    on_stack = {item.path for item in items if "stack" in getattr(item, "fixturenames", ())}
    for item in items:
        if item.get_closest_marker("integration") or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("stack" if item.path in on_stack else "alone"))
