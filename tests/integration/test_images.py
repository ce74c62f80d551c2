"""The services of the compose file as plain processes: built by the Dockerfile's own steps, run by its own commands
with the environment and secrets that compose gives, against the shared stack in place of AWS, Redis and Label Studio.
"""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from redis import Redis
from rq import Queue
from rq.job import Job

from phenoloop.jobs import enqueue_prelabel, prelabel_queue
from phenoloop.local_aws.sagemaker.containers import free_port
from tests.conftest import RunningStack, eventually
from tests.integration.containers import json_lines
from tests.integration.deployment_files import IMAGE, REPOSITORY, command, environment, filled_in, services, stages

pytestmark = pytest.mark.integration

SECRETS = "/run/secrets"
PASSWORD = "a password of this test"
SLOW = {"UV_NO_CACHE", "UV_COMPILE_BYTECODE", "UV_LINK_MODE"}
"""What only makes an image smaller and its start quicker."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder `/app`: the first stage's COPY and RUN, then what the last one takes from it."""
    build, last = stages(IMAGE)
    built, app = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("app")
    variables = {name: v for name, v in environment(build).items() if name not in SLOW}
    for item in build:
        if item.word == "COPY":
            *sources, target = item.words
            for source in sources:
                _copy(REPOSITORY / source, built / target / (Path(source).name if target.endswith("/") else ""))
        if item.word == "RUN" and "uv sync" in item.text:
            done = subprocess.run(
                item.text, shell=True, cwd=built, env=_outside() | variables, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
    (taken,) = [item for item in last if item.word == "COPY"]
    assert taken.text == "--from=build /app/.venv /app/.venv"
    (app / ".venv").symlink_to(built / ".venv")  # scripts know their interpreter by its whole path
    for source in ("loc360", "phenoloop", "ml_backend", "sync", "training", "serving"):
        shutil.rmtree(built / source)  # the last stage does not have them
    return app


@dataclass
class Place:
    """Where compose's services are here."""

    stack: RunningStack
    image: Path
    folder: Path
    """Its `secrets` is what the script made, with the stack's own put in."""
    queue_url: str
    redis_url: str
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ("backend", "worker", "sync")})

    def environment(self, name: str) -> dict[str, str]:
        status, service = self.stack.status(), services()[name]
        _, last = stages(IMAGE)
        given = {
            "PHENOLOOP_STORAGE__BUCKET": status["s3"]["bucket"],
            "PHENOLOOP_QUEUE_URL": self.queue_url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        written = {n: filled_in(str(v), given) for n, v in service["environment"].items() if v}
        here = {n: v.replace(SECRETS, str(self.secrets(name))) for n, v in written.items()}
        here |= {"PHENOLOOP_CONFIG": str(REPOSITORY / "configs" / "none.yaml"), "TMPDIR": str(self.folder)}
        here["PHENOLOOP_LABEL_STUDIO__URL"] = status["label_studio"]["url"]
        port = "PHENOLOOP_BACKEND__PORT" if name == "backend" else "PHENOLOOP_MONITORING__PORT"
        inside = "9090" if name == "backend" else "9091"
        here |= {port: str(self.ports[name]), "HEALTH_URL": here["HEALTH_URL"].replace(inside, str(self.ports[name]))}
        aws = {n: v for n, v in settings_of(self.stack).items() if n.startswith("AWS_ENDPOINT_URL")}
        path = environment(last)["PATH"].replace("/app/", f"{self.image}/").replace("$PATH", "/usr/bin:/bin")
        return environment(last) | here | aws | {"PATH": path, "HOME": "/tmp"}

    def secrets(self, name: str) -> Path:
        """What compose mounts for the service."""
        mounted = self.folder / f"secrets-of-{name}"
        if not mounted.exists():
            mounted.mkdir()
            for secret in services()[name]["secrets"]:
                shutil.copy(self.folder / "secrets" / secret["source"], mounted / secret["target"])
        return mounted

    @contextmanager
    def running(self, name: str) -> Iterator["Service"]:
        log = self.folder / f"{name}.log"
        words = services()[name].get("command") or command(stages(IMAGE)[-1], "CMD")
        variables = self.environment(name)
        executable = str(self.image / ".venv" / "bin" / words[0])
        with (
            log.open("wb") as out,
            subprocess.Popen(
                [executable, *words[1:]], cwd=self.image, env=variables, stdout=out, stderr=subprocess.STDOUT
            ) as process,
        ):
            try:
                yield Service(process.pid, variables, log, self.image)
            finally:
                process.terminate()
        assert process.returncode == 0, log.read_text()[-2000:]


@dataclass(frozen=True)
class Service:
    pid: int
    variables: dict[str, str]
    log: Path
    image: Path

    def is_healthy(self) -> bool:
        """By the image's own command."""
        words = command(stages(IMAGE)[-1], "HEALTHCHECK")
        executable = str(self.image / ".venv" / "bin" / words[0])
        done = subprocess.run([executable, *words[1:]], env=self.variables, capture_output=True, check=False)
        return done.returncode == 0

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in json_lines(self.log) if line["event"] == event]


@pytest.fixture(scope="module")
def place(stack: RunningStack, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, status, settings = tmp_path_factory.mktemp("place"), stack.status(), settings_of(stack)
    script = folder / "infra" / "docker" / "make-secrets"
    _copy(REPOSITORY / "infra" / "docker" / "make-secrets", script)
    subprocess.run([script], check=True)
    redis_url = settings["PHENOLOOP_REDIS_URL"].replace("db=0", "db=1")
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    text = "\n".join(("[default]", *(f"{name.lower()} = {settings[name]}" for name in keys)))
    put = {
        "backend_password": PASSWORD,
        "label_studio_token": status["label_studio"]["token"],
        "redis_url": redis_url,
        "aws_backend": text,
        "aws_sync": text,
    }
    for name, value in put.items():
        (folder / "secrets" / name).chmod(0o600)
        (folder / "secrets" / name).write_text(value)
        (folder / "secrets" / name).chmod(0o440)
    sqs = stack.client("sqs")
    queue_url = sqs.create_queue(QueueName="images-under-test")["QueueUrl"]
    yield Place(stack, image, folder, queue_url, redis_url)
    sqs.delete_queue(QueueUrl=queue_url)
    Redis.from_url(redis_url).flushdb()


def test_the_secrets_that_the_script_makes_are_for_the_containers_group_only(place: Place) -> None:
    files = list((place.folder / "secrets").iterdir())
    assert len(files) == 10
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o440 and file.stat().st_gid == 10001 for file in files)
    made = {file.name: file.read_text() for file in files}
    assert len(made["redis_password"]) == 48
    assert len(made["label_studio_password"]) == 24


def test_the_backend_is_healthy_and_predicts_for_who_knows_the_password(place: Place) -> None:
    status = place.stack.status()["label_studio"]
    task = next(iter(place.stack.label_studio().tasks(status["project_id"])))
    asked = {
        "tasks": [{"id": task.id, "project": status["project_id"], "data": task.data}],
        "label_config": status["label_config"],
        "project": f"{status['project_id']}.1",
    }
    url = f"http://127.0.0.1:{place.ports['backend']}/predict"
    with place.running("backend") as backend:
        eventually(backend.is_healthy)
        (item,) = requests.post(url, json=asked, auth=("phenoloop", PASSWORD), timeout=60).json()["results"]
        assert item["result"]
        assert requests.post(url, json=asked, auth=("phenoloop", "another"), timeout=60).status_code == 401
        assert _shown_secrets(place, backend) == []


def test_a_worker_does_its_job_and_no_other(place: Place) -> None:
    marker = place.folder / "ran"
    status = place.stack.status()["label_studio"]
    tasks = [task.id for task in place.stack.label_studio().tasks(status["project_id"])][:2]
    with place.running("worker") as worker:
        eventually(worker.is_healthy)
        foreign = Queue("phenoloop", connection=Redis.from_url(place.redis_url))
        ids = [foreign.enqueue("os.mkdir", str(marker)).id, _unpicklable(foreign, marker)]
        enqueue_prelabel(prelabel_queue(place.redis_url), status["project_id"], tasks)
        eventually(lambda: worker.told("tasks pre-labelled"))
        eventually(lambda: len(worker.told("job failed") + worker.told("job failed on a bug")) >= len(ids))
        assert not marker.exists()
        assert _shown_secrets(place, worker) == []


def test_sync_takes_its_turns(place: Place) -> None:
    with place.running("sync") as sync:
        eventually(lambda: sync.told("annotations looked at"))
        eventually(sync.is_healthy)
        assert sync.told("not done on a bug") == []
        assert _shown_secrets(place, sync) == []


def settings_of(stack: RunningStack) -> dict[str, str]:
    """Which its own services run with."""
    return dict(json.loads((stack.data_dir / "status.json").read_text())["settings"])


def _unpicklable(queue: Queue, marker: Path) -> str:
    """A job as RQ itself would unpickle it."""

    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return os.mkdir, (str(marker),)

    job = Job.create("ml_backend.prelabel.prelabel_chunk", (1, [Bomb()]), connection=queue.connection)
    return str(queue.enqueue_job(job).id)


def _shown_secrets(place: Place, service: Service) -> list[str]:
    """Those on its command line, in its environment or in its log."""
    process = psutil.Process(service.pid)
    texts = [*process.cmdline(), *process.environ().values(), service.log.read_text()]
    named = ("backend_password", "label_studio_token")
    return [name for name in named for text in texts if (place.folder / "secrets" / name).read_text() in text]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _outside() -> dict[str, str]:
    """This process's environment, but for what belongs to its own virtual environment."""
    return {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
