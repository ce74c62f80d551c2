"""The backend's doors: how soon the first healthy answer comes, and how soon any does while batches keep it busy."""

import http.client
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.figure import Figure, as_share
from benchmarks.redis_server import redis_server
from benchmarks.world import World
from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.sagemaker.containers import free_port

START_S, DOOR_MS = 2.0, 20.0
PATIENCE_S = 30.0
BATCH, ANNOTATORS = 100, 4
PHOTOS = 4000
"""More than are asked for: none comes from a cache."""
EVERY_S = 0.05
"""Between two knocks at a door."""
BARE = "a bare asyncio server"
"""The world's own door, beside the backend's."""
LOOKING_S = 0.7
"""An annotator, at a task, before the next one."""
LABEL_CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="label" toName="image">
<Label value="carrot"/><Label value="tomato"/><Label value="cucumber"/></BrushLabels></View>"""
COMMAND = [sys.executable, "-m", "ml_backend"]
SETUP = json.dumps({"project": "7.1", "schema": LABEL_CONFIG, "hostname": "", "access_token": "", "extra_params": ""})


@dataclass(frozen=True, slots=True)
class Backend:
    """A running one."""

    port: int
    authorization: str
    pid: int

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, bytes]:
        """Over a connection of its own, as Label Studio does. Raises OSError, HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            headers = {"Content-Type": "application/json", "Authorization": self.authorization}
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answer(self, method: str, path: str, body: str = "") -> bytes:
        """Raises AssertionError if it is an error."""
        status, answer = self.ask(method, path, body)
        if status != 200:
            raise AssertionError(f"{path} answered {status}: {answer[:300]!r}")
        return answer


def measure(*, quick: bool) -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory(prefix="phenoloop-bench-") as name,
        redis_server() as redis_url,
        World(photos=PHOTOS) as world,
    ):
        own = {"PHENOLOOP_REDIS_URL": redis_url, "PHENOLOOP_CHAIN__CACHE_FOLDER": f"{name}/cache", "TMPDIR": name}
        environment = world.environment | own
        yield _first_answer(environment, starts=2 if quick else 5)
        with _running(environment) as (backend, _):
            yield from _under_load(backend, world, seconds=8.0 if quick else 30.0)


def _first_answer(environment: Mapping[str, str], starts: int) -> Figure:
    seconds = []
    for _ in range(starts):
        with _running(environment) as (_, taken_s):
            seconds.append(taken_s)
            _tell(f"healthy after {taken_s:.2f} s")
    what = "backend, from its start to the first healthy answer"
    return as_share(what, min(seconds), "s", "wanted", START_S, most=1, note=f"best of {starts} starts")


def _under_load(backend: Backend, world: World, seconds: float) -> Iterator[Figure]:
    idle = _knocked(backend, world, seconds / 4)
    load = Load(backend, world.photo_uris)
    load.start()
    time.sleep(3)
    before, started_s = world.counts().all_invocations, time.monotonic()
    busy = _knocked(backend, world, seconds)
    invocations = (world.counts().all_invocations - before) / (time.monotonic() - started_s)
    load.stop()
    note = f"{invocations:.0f} invocations a second meanwhile"
    note += f"; p99 of {BARE} {np.quantile(busy.pop(BARE), 0.99):.1f} ms, the machine's share"
    for path, latencies_ms in busy.items():
        median, p99, at_rest = (float(np.quantile(ms, q)) for ms, q in
                                ((latencies_ms, 0.5), (latencies_ms, 0.99), (idle[path], 0.99)))  # fmt: skip
        told = f"median {median:.1f} ms; p99 of an idle backend {at_rest:.1f} ms; {note}"
        what = f"{path}, p99 while batches of {BATCH} run and {ANNOTATORS} annotators open tasks"
        yield as_share(what, p99, "ms", "wanted", DOOR_MS, most=1, note=told)


def _knocked(backend: Backend, world: World, seconds: float) -> dict[str, list[float]]:
    """Milliseconds until the answer, by door."""
    doors: dict[str, Callable[[], object]] = {
        "/health": lambda: backend.answer("GET", "/health"),
        "/setup": lambda: backend.answer("POST", "/setup", SETUP),
        BARE: world.counts,
    }
    latencies_ms: dict[str, list[float]] = {name: [] for name in doors}

    def knock(name: str) -> None:
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            started_s = time.perf_counter()
            doors[name]()
            latencies_ms[name].append(1000 * (time.perf_counter() - started_s))
            time.sleep(EVERY_S)

    threads = [threading.Thread(target=knock, args=(name,)) for name in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies_ms


@dataclass
class Load:
    """Batches one after another, and annotators who open tasks beside them."""

    backend: Backend
    photo_uris: Sequence[str]
    _ended: threading.Event = field(default_factory=threading.Event)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def start(self) -> None:
        for _ in range(2):
            threading.Thread(target=self._batches, daemon=True).start()
        for _ in range(ANNOTATORS):
            threading.Thread(target=self._annotate, daemon=True).start()

    def stop(self) -> None:
        """What is under way ends with the backend."""
        self._ended.set()

    def _batches(self) -> None:
        while not self._ended.is_set():
            self._predict(BATCH)

    def _annotate(self) -> None:
        while not self._ended.wait(LOOKING_S):
            self.backend.ask("POST", "/setup", SETUP)
            self._predict(1)

    def _predict(self, tasks: int) -> None:
        numbers = [next(self._numbers) for _ in range(tasks)]
        body = {
            "tasks": [
                {"id": number, "project": 7, "data": {"image": self.photo_uris[number % PHOTOS]}} for number in numbers
            ],
            "project": "7.1",
            "label_config": LABEL_CONFIG,
            "params": {},
        }
        with suppress(OSError, http.client.HTTPException):  # the backend ends before its last batch does
            status, answer = self.backend.ask("POST", "/predict", json.dumps(body))
            if status != 200 or b'"result":' not in answer:
                _tell(f"/predict answered {status}: {answer[:300]!r}")


@contextmanager
def _running(environment: Mapping[str, str]) -> Iterator[tuple[Backend, float]]:
    """The backend, once it is healthy, and how many seconds that took."""
    port, log = free_port(), Path(environment["TMPDIR"]) / "backend.log"
    own = {"PHENOLOOP_BACKEND__PORT": str(port), "PATH": os.environ["PATH"]}
    started_s = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(COMMAND, cwd=REPOSITORY, env={**environment, **own}, stderr=output)
    credentials = f"phenoloop:{environment['PHENOLOOP_BACKEND__PASSWORD']}"
    backend = Backend(port, f"Basic {b64encode(credentials.encode()).decode()}", process.pid)
    try:
        while not _is_healthy(backend):
            if process.poll() is not None or time.perf_counter() - started_s > PATIENCE_S:
                raise AssertionError(f"The backend does not become healthy: {log.read_text()[-1000:]}")
            time.sleep(0.01)
        yield backend, time.perf_counter() - started_s
    finally:
        _end(process)


def _is_healthy(backend: Backend) -> bool:
    try:
        status, body = backend.ask("GET", "/health")
    except OSError:
        return False
    told = json.loads(body)
    return status == 200 and told["model_version"] is not None and not told["problems"]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """At once: nobody waits for what it is doing."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


def _tell(text: str) -> None:
    print(f"doors: {text}", file=sys.stderr, flush=True)  # noqa: T201
