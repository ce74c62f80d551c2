"""Workers on a real Redis: nothing is lost, nothing is predicted twice, and whoever watches may come and go."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from rq import Queue

from benchmarks.redis_server import redis_server
from benchmarks.world import World
from ml_backend.prelabel import LOT
from phenoloop.jobs import CHUNK, asked_for, enqueue_prelabel, is_busy, prelabel_queue
from tests.conftest import eventually, phenoloop
from tests.integration.light_label_studio import LightLabelStudio, light_label_studio

pytestmark = pytest.mark.integration

TASKS = 2 * LOT
OBJECTS, SLOTS = 2, 8
UNDER_WAY = 16
"""Tasks, when a worker dies, at most."""
IMPATIENT_WORKER = """
from ml_backend.worker import Worker, main

Worker.heartbeat_s, Worker.missed_s = 0.5, 5
main()
"""


@dataclass(frozen=True, slots=True)
class Around:
    world: World
    label_studio: LightLabelStudio
    queue: Queue
    settings: dict[str, str]

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        started = subprocess.Popen([sys.executable, "-c", IMPATIENT_WORKER], env=os.environ | self.settings)
        try:
            yield started
        finally:
            started.terminate()
            started.wait()

    def watcher(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "phenoloop.cli", "prelabel", "--project", "1"]
        return subprocess.Popen(command, env=os.environ | self.settings, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Around]:
    with (
        World(photos=TASKS, photo_px=(320, 240), objects=OBJECTS, invoke_s=0.05, slots=SLOTS) as world,
        light_label_studio(dict(enumerate(world.photo_uris, start=1))) as label_studio,
        redis_server() as redis_url,
    ):
        settings = world.environment | {
            "PHENOLOOP_LABEL_STUDIO__URL": label_studio.url,
            "PHENOLOOP_REDIS_URL": redis_url,
            "PHENOLOOP_CHAIN__CACHE_FOLDER": str(tmp_path / "cache"),
        }
        yield Around(world, label_studio, prelabel_queue(redis_url), settings)


def test_what_a_killed_worker_had_is_predicted_by_another_once(around: Around) -> None:
    enqueue_prelabel(around.queue, 1, list(around.label_studio.images))
    with around.worker() as worker:
        eventually(lambda: around.label_studio.stored)
        worker.kill()
    with around.worker():
        eventually(lambda: not is_busy(around.queue), within_s=120)
    assert around.queue.failed_job_registry.count == 0
    stored = Counter(prediction["task"] for prediction in around.label_studio.stored)
    assert stored == dict.fromkeys(around.label_studio.images, 1)
    invoked = around.world.counts().invocations
    assert TASKS <= invoked[around.world.detector] <= TASKS + UNDER_WAY
    assert TASKS * OBJECTS <= invoked[around.world.segmenter] <= (TASKS + UNDER_WAY) * OBJECTS


def test_a_project_is_asked_for_once_newest_first_however_often_it_is_asked(around: Around) -> None:
    for _ in range(2):
        done = phenoloop("prelabel", "--project", "1", "--no-watch", settings=around.settings)
        assert done.returncode == 0, done.stderr
    jobs = [job.args for job in around.queue.jobs]
    assert jobs == [[1, list(range(last, max(last - CHUNK, 0), -1))] for last in range(TASKS, 0, -CHUNK)]
    assert asked_for(around.queue, 1) == set(around.label_studio.images)
    assert asked_for(around.queue, 2) == set()


def test_who_leaves_does_not_stop_the_work_and_who_comes_back_sees_it_through(around: Around) -> None:
    watcher = around.watcher()
    eventually(lambda: around.queue.count)
    watcher.send_signal(signal.SIGINT)
    told, _ = watcher.communicate(timeout=60)
    assert (watcher.returncode, told.strip()) == (0, "The workers go on: `phenoloop prelabel` shows how far they are.")
    with around.worker():
        done = phenoloop("prelabel", "--project", "1", settings=around.settings)
    assert done.returncode == 0, done.stderr
    assert f"{TASKS} tasks pre-labelled by phenoloop-" in done.stdout
    assert len(around.label_studio.stored) == TASKS
