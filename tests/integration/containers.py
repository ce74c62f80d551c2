"""Serving containers as the tests see them: a process, a port, a log."""

import http.client
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.sagemaker.containers import free_port

Answer = tuple[int, bytes]
JSON = "application/json"


@dataclass(frozen=True)
class Container:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: bytes = b"", content_type: str = JSON, attributes: str = "") -> Answer:
        """Status and body. Raises OSError while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Content-Type": content_type, "X-Amzn-SageMaker-Custom-Attributes": attributes}
            connection.request(method, path, body, headers if body else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def invoke(self, body: str | bytes, content_type: str = JSON, attributes: str = "") -> Answer:
        sent = body.encode() if isinstance(body, str) else body
        return self.ask("POST", "/invocations", sent, content_type, attributes)

    def ping(self) -> int | None:
        """The status; None while nobody listens."""
        try:
            return self.ask("GET", "/ping")[0]
        except OSError:
            return None

    def wait_for_ping(self, status: int, within_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + within_s
        while self.ping() != status:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.05)


def json_lines(log: Path) -> list[dict[str, Any]]:
    """The objects told in it so far. A last line that is still being written is left for the next look."""
    *whole, _ = log.read_text().split("\n")
    return [json.loads(line) for line in whole if line.startswith("{")]


def error_message(body: bytes) -> str:
    """Of the error object that a container answers with."""
    return str(json.loads(body)["error"]["message"])


@contextmanager
def running(python: Path, base: Path) -> Iterator[Container]:
    """`python -m serving` on `base`/model, not yet waited for; ended by SIGTERM."""
    port, log = free_port(), base / "log"
    environment = {
        "PATH": os.environ["PATH"],
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SERVING_HOST": "127.0.0.1",
        "PHENOLOOP_ENDPOINT": "endpoint-1",
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), "-m", "serving"], cwd=REPOSITORY, env=environment, stdout=output, stderr=output
        )
    try:
        yield Container(process, port, log)
    finally:
        process.terminate()
        process.wait(40)


def unpacked(archive: Path, base: Path) -> Path:
    """`base`, with the archive's content in `base`/model."""
    with tarfile.open(archive) as tar:
        tar.extractall(base / "model", filter="data")
    return base


def with_handler(base: Path, code: str) -> Path:
    """`base`, with this `inference.py` as its model's code."""
    folder = base / "model" / "code"
    folder.mkdir(parents=True)
    (folder / "inference.py").write_text(code)
    return base
