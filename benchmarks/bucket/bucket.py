"""The store's process, from the side that measures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

ENDS_WITHIN_S = 30
UVLOOP = "uvloop>=0.21"
SERVER = Path(__file__).with_name("server.py")


class Bucket:
    """`annotations` objects of 4 KB under `annotations/`, each of its own photo, at `environment`'s S3."""

    def __init__(self, annotations: int, *, latency_s: float = 0.0) -> None:
        asked = json.dumps({"annotations": annotations, "latency_s": latency_s})
        command = ["uv", "run", "--quiet", "--no-project", "--with", UVLOOP, "python", str(SERVER), asked]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Bucket:
        assert self._process.stdout is not None  # noqa: S101
        port = self._process.stdout.readline().strip()
        if not port:
            raise RuntimeError("The benchmark's store did not start; its lines are above.")
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=ENDS_WITHIN_S)  # the store ends with its standard input

    @property
    def environment(self) -> dict[str, str]:
        """For boto3 and obstore alike."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def tell(self, **asked: Any) -> dict[str, int]:
        """Change the store (`annotations`, `latency_s`, `changed`); its requests since it was told last, by kind."""
        return dict(requests.post(f"{self.url}/_tell", json=asked, timeout=60).json())
