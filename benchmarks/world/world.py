"""Starts the world's process and asks it what it counted."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.request import urlopen

from benchmarks.world.plan import BUCKET, DETECTOR, SEGMENTER, Plan


@dataclass(frozen=True, slots=True)
class Counts:
    """Of requests, since the world began."""

    gets: int
    photos: int
    """Of the GETs, those that sent one."""
    heads: int
    puts: int
    lists: int
    not_modified: int
    """Of the GETs, those answered 304."""
    invocations: Mapping[str, int]
    """By endpoint."""

    @property
    def all_invocations(self) -> int:
        return sum(self.invocations.values())


class World:
    """An object store with photos and a live release, and its two endpoints, while the `with` block runs."""

    def __init__(
        self,
        *,
        photos: int = 100,
        photo_px: tuple[int, int] = (1600, 1200),
        objects: int = 12,
        invoke_s: float = 0.06,
        slots: int = 8,
        store_latency_s: float = 0.02,
    ) -> None:
        """The photos differ in their bytes, and so in their ETags, not in what they show."""
        self.plan = Plan(photos, photo_px, objects, invoke_s, slots, store_latency_s)
        self.bucket, self.detector, self.segmenter = BUCKET, DETECTOR, SEGMENTER
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    def __enter__(self) -> "World":
        command = [sys.executable, "-m", "benchmarks.world", self.plan.to_json()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout  # noqa: S101  # a pipe
        self._url = self._process.stdout.readline().strip()
        if not self._url:
            raise RuntimeError("The world's process did not start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The process ends with its standard input, so also when this one is killed."""
        if self._process:
            self._process.communicate()

    @property
    def environment(self) -> dict[str, str]:
        """For `Settings` and boto3. There is no Label Studio, queue or Redis: give your own where you need one."""
        return {
            "AWS_ENDPOINT_URL_S3": self._url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self._url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PHENOLOOP_STORAGE__BUCKET": BUCKET,
            "PHENOLOOP_LABEL_STUDIO__URL": "http://127.0.0.1:9",
            "PHENOLOOP_LABEL_STUDIO__TOKEN": "bench",
            "PHENOLOOP_BACKEND__PASSWORD": "bench-of-phenoloop",
            "PHENOLOOP_QUEUE_URL": "http://127.0.0.1:9/bench",
            "PHENOLOOP_REDIS_URL": "redis://127.0.0.1:9/0",
        }

    @property
    def photo_uris(self) -> list[str]:
        return [f"s3://{BUCKET}/{key}" for key in self.plan.photo_keys]

    def counts(self) -> Counts:
        with urlopen(f"{self._url}/-/counts") as reply:  # noqa: S310  # our own process
            told: dict[str, Any] = json.load(reply)
        return Counts(**told)
