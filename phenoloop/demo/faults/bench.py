"""The product under trial: backend, worker and sync beside a running stack, with a proxy before each service."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from redis import Redis

from phenoloop.connect.project import Wiring, wire_project
from phenoloop.connect.wanted import PROJECT
from phenoloop.demo.faults.faults import Service as Upstream
from phenoloop.demo.faults.patience import Patience
from phenoloop.demo.faults.proxy import FaultProxy
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.stack import Doors
from phenoloop.labelling.admin import LabelStudioAdmin
from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.processes import Service, Supervisor, answers
from phenoloop.local_aws.sagemaker.containers import free_port
from phenoloop.local_aws.services import base_environment

REDIS_DB = 7
"""The stack's own is 0."""
SWEEP_EVERY_S = "3"


@dataclass(frozen=True, slots=True)
class Task:
    id: int
    data: dict[str, Any]


class Bench:
    """`with` it everything runs and is connected. The running stack's own backend, worker and sync take no part."""

    def __init__(self, status: Mapping[str, Any], folder: Path, patience: Patience, seed: int) -> None:
        """`status` is what the running stack wrote down; logs go to `folder`."""
        self.folder, self.patience = folder, patience
        self.name = f"faults-{uuid4().hex[:8]}"
        self._settings: Mapping[str, str] = status["settings"]
        self._stack_doors = Doors.of(status)
        self.sqs = self._stack_doors.client("sqs")
        self._admin = LabelStudioAdmin(self._stack_doors.label_studio_url, self._stack_doors.label_studio_token)
        upstreams = {
            Upstream.S3: self._url("s3"),
            Upstream.SAGEMAKER: self._url("sagemaker_runtime"),
            Upstream.LABEL_STUDIO: self._stack_doors.label_studio_url,
        }
        numbers = random.Random(seed)  # noqa: S311  # no secret
        self.proxies = {
            service: FaultProxy(url, service, numbers.getrandbits(32)) for service, url in upstreams.items()
        }
        self._supervisor = Supervisor(folder)
        self._undo = ExitStack()

    def __enter__(self) -> Bench:
        try:
            self._start()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _start(self) -> None:
        for proxy in self.proxies.values():
            self._undo.enter_context(proxy)
        self.queue_url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self._undo.callback(self.sqs.delete_queue, QueueUrl=self.queue_url)
        self._undo.callback(self.redis.flushdb)
        port = free_port()
        self.backend_url = f"http://127.0.0.1:{port}"
        environment = base_environment() | dict(self._settings) | self._environment(port)
        self._undo.callback(self._supervisor.stop)
        for name, module in {"backend": "ml_backend", "worker": "ml_backend.worker"}.items():
            self._run(name, module, environment)
        self._supervisor.wait_until_ready("backend")
        self._connect()
        self._run("sync", "sync", environment)

    def _run(self, name: str, module: str, environment: Mapping[str, str]) -> None:
        self._supervisor.start(
            Service(
                name=name,
                command=[sys.executable, "-m", module],
                environment=environment,
                folder=REPOSITORY,
                is_ready=lambda: answers(f"{self.backend_url}/health"),
            )
        )

    def _environment(self, port: int) -> dict[str, str]:
        """Proxies instead of services, and places of its own for all that is stored, so that no other sync looks."""
        prefixes = {name: f"{self.name}/{name}/" for name in ("annotations", "snapshots", "runs")}
        return {
            "AWS_ENDPOINT_URL_S3": self.proxies[Upstream.S3].url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.proxies[Upstream.SAGEMAKER].url,
            "PHENOLOOP_LABEL_STUDIO__URL": self.proxies[Upstream.LABEL_STUDIO].url,
            "PHENOLOOP_BACKEND__PORT": str(port),
            "PHENOLOOP_QUEUE_URL": self.queue_url,
            "PHENOLOOP_REDIS_URL": self._redis_url,
            "PHENOLOOP_TRAINING__PACKAGE_GROUP": self.name,
            "PHENOLOOP_RETRAINING__MINIMUM_CHANGES": "100000",
            "PHENOLOOP_RETRAINING__SWEEP_EVERY_S": SWEEP_EVERY_S,
            **{f"PHENOLOOP_STORAGE__{name.upper()}_PREFIX": prefix for name, prefix in prefixes.items()},
            **self.patience.settings(),
        }

    def _connect(self) -> None:
        """A project of the stack's photos, wired as any other."""
        project = self._admin.create_project(self.name, self._stack_doors.label_config, **PROJECT)
        self._undo.callback(self._admin.delete_project, project.id)
        user, password = self._stack_doors.backend_credentials
        wiring = Wiring(
            bucket=self._stack_doors.bucket,
            image_buckets=frozenset({self._stack_doors.bucket}),
            images_prefix=self._stack_doors.images_prefix,
            annotations_prefix=f"{self.name}/annotations/",
            backend_url=self.backend_url,
            backend_user=user,
            backend_password=password,
        )
        for _ in wire_project(self._admin, project.id, wiring):
            pass
        self.doors = replace(self._stack_doors, project_id=project.id, backend_url=self.backend_url)
        self.desk = Desk(self.doors)
        self.desk.import_photos()
        self.tasks = [Task(task.id, task.data) for task in self._admin.tasks(project.id)]

    @property
    def redis(self) -> Redis:
        return Redis.from_url(self._redis_url)

    @property
    def _redis_url(self) -> str:
        return self._settings["PHENOLOOP_REDIS_URL"].replace("db=0", f"db={REDIS_DB}")

    def _url(self, service: str) -> str:
        return self._settings.get(f"AWS_ENDPOINT_URL_{service.upper()}", self._settings["AWS_ENDPOINT_URL"])

    def revived(self) -> list[str]:
        """Programs that ended by themselves and were started again, now."""
        return self._supervisor.restart_dead()

    def threads(self) -> int:
        """Of the backend, now."""
        root = psutil.Process(self._supervisor.pids["backend"])
        return sum(process.num_threads() for process in (root, *root.children(recursive=True)))

    def log(self, program: str) -> Iterator[dict[str, Any]]:
        """What it logged: its lines of JSON."""
        for line in (self.folder / f"{program}.log").read_text(errors="replace").splitlines():
            if line.startswith("{"):
                yield json.loads(line)
