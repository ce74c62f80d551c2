"""Pre-labelling a whole project with 1, 2 and 4 workers, each with its share of the endpoints' slots.

Real workers, a real Redis and a real Label Studio; only the endpoints and the object store are made up.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rq import Queue
from rq import Worker as RqWorker

from benchmarks.figure import Figure, as_share
from benchmarks.label_studio import Started, label_studio
from benchmarks.redis_server import redis_server
from benchmarks.world import World
from phenoloop.jobs import enqueue_prelabel, is_busy, prelabel_queue

WORKERS = (1, 2, 4)
SLOTS, INVOKE_S, OBJECTS = 8, 0.06, 12
SHARE = SLOTS // WORKERS[-1]
"""Of the slots, for each worker."""
LIMIT = SLOTS / INVOKE_S / OBJECTS
"""Tasks a second."""
NEARLY = 0.9
LOOK_EVERY_S = 0.1


def measure(*, quick: bool) -> Iterator[Figure]:
    each = 20 if quick else 60
    tasks = each * sum(WORKERS)
    with World(photos=tasks, objects=OBJECTS, invoke_s=INVOKE_S, slots=SLOTS) as world, _bench(world) as bench:
        rates = {workers: bench.rate(workers, each) for workers in WORKERS}
        invoked = world.counts().all_invocations
    note = f"{each} tasks a worker, since 10,000 would take {10_000 / LIMIT / 60:.0f} min at the endpoint's own limit"
    for workers in WORKERS[1:]:
        what = f"Tasks pre-labelled by {workers} workers with {SHARE} of {SLOTS} slots each"
        yield as_share(what, rates[workers], "/s", "one worker", rates[1], least=NEARLY * workers, note=note)
    limit = f"the endpoint's own limit with {OBJECTS} objects a photo"
    yield as_share(f"Tasks pre-labelled by {WORKERS[-1]} workers", rates[WORKERS[-1]], "/s", limit, LIMIT)
    yield as_share(
        "Invocations a task", invoked / tasks, "", "detector, and segmenter for each object", 1 + OBJECTS, most=1
    )


@dataclass(slots=True)
class _Bench:
    label_studio: Started
    queue: Queue
    environment: dict[str, str]
    photos: Iterator[str]
    log: Path

    def rate(self, workers: int, tasks_each: int) -> float:
        """Tasks a second, from the asking until all are stored: of a new project, of photos that nobody has seen."""
        count = workers * tasks_each
        project_id, tasks = self.label_studio.project_of(count, [next(self.photos) for _ in range(count)])
        with self._workers(workers):
            started_s = time.perf_counter()
            for at in range(0, count, tasks_each):  # a job for each: nobody is idle at the end
                enqueue_prelabel(self.queue, project_id, tasks[at : at + tasks_each])
            while is_busy(self.queue):
                time.sleep(LOOK_EVERY_S)
            seconds = time.perf_counter() - started_s
        stored = self.label_studio.client().model_versions(project_id)
        if sum(stored.values()) != count:
            sys.stderr.write(self.log.read_text()[-4000:])
            raise RuntimeError(f"{stored} instead of {count} predictions are stored.")
        return count / seconds

    @contextmanager
    def _workers(self, count: int) -> Iterator[None]:
        """Once all of them listen."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "ml_backend.worker"]
            started = [subprocess.Popen(command, env=self.environment, stderr=log) for _ in range(count)]
        try:
            while RqWorker.count(queue=self.queue) < count:
                time.sleep(LOOK_EVERY_S)
            yield
        finally:
            for worker in started:
                worker.terminate()
            for worker in started:
                worker.wait()


@contextmanager
def _bench(world: World) -> Iterator[_Bench]:
    with ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="phenoloop-bench-")))
        redis_url, started = kept.enter_context(redis_server()), kept.enter_context(label_studio())
        environment = {
            **os.environ,
            **world.environment,
            "PHENOLOOP_LABEL_STUDIO__URL": started.url,
            "PHENOLOOP_LABEL_STUDIO__TOKEN": started.token,
            "PHENOLOOP_REDIS_URL": redis_url,
            "PHENOLOOP_CHAIN__CACHE_FOLDER": str(folder / "cache"),
            "PHENOLOOP_CHAIN__ENDPOINT_SLOTS": str(SHARE),
        }
        yield _Bench(started, prelabel_queue(redis_url), environment, iter(world.photo_uris), folder / "workers.log")
