"""A worker on a real Redis: a job that takes long is left to it, a job whose worker was killed goes to another."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rq import Queue

from phenoloop.jobs import enqueue_prelabel, is_busy, prelabel_queue
from phenoloop.local_aws.processes import Supervisor
from phenoloop.local_aws.services import redis
from tests.conftest import eventually

pytestmark = pytest.mark.integration

MISSED_S = 2
LONG_S = 3 * MISSED_S
WORKER = f"""
import sys, time
from types import SimpleNamespace
from redis import Redis
import ml_backend.prelabel
from ml_backend.metrics import Metrics
from ml_backend.worker import Worker
from phenoloop.jobs import queue_on

ml_backend.prelabel.prelabel_chunk = lambda seconds, _: time.sleep(seconds)
Worker.heartbeat_s, Worker.missed_s, Worker.metrics = 0.5, {MISSED_S}, Metrics()
queue = queue_on(Redis(unix_socket_path=sys.argv[1]))
Worker([queue], connection=queue.connection, job_class=queue.job_class, serializer=queue.serializer).work(burst=True)
"""


@pytest.fixture
def socket_path(tmp_path: Path) -> Iterator[Path]:
    supervisor = Supervisor(tmp_path / "logs")
    supervisor.start(redis(tmp_path / "redis", tmp_path / "redis.sock"))
    supervisor.wait_until_ready("redis")
    yield tmp_path / "redis.sock"
    supervisor.stop()


def _asked(socket_path: Path, seconds: int = LONG_S) -> Queue:
    queue = prelabel_queue(f"unix://{socket_path}")
    enqueue_prelabel(queue, seconds, [1])
    return queue


def _worker(socket_path: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", WORKER, str(socket_path)])


def _kills_its_worker(queue: Queue, socket_path: Path) -> None:
    worker = _worker(socket_path)
    eventually(lambda: queue.started_job_registry.count)
    worker.kill()
    worker.wait()
    eventually(lambda: not queue.started_job_registry.count)


def test_a_long_job_counts_as_running_until_it_is_done(socket_path: Path) -> None:
    queue, worker = _asked(socket_path), _worker(socket_path)
    eventually(lambda: queue.started_job_registry.count)
    started_s = time.monotonic()
    while time.monotonic() - started_s < LONG_S - 1:
        assert queue.started_job_registry.count == 1
        time.sleep(0.2)
    assert worker.wait(30) == 0
    assert not is_busy(queue)
    assert queue.failed_job_registry.count == 0


def test_a_job_whose_worker_was_killed_goes_to_another(socket_path: Path) -> None:
    queue = _asked(socket_path)
    _kills_its_worker(queue, socket_path)
    assert is_busy(queue)
    assert _worker(socket_path).wait(60) == 0
    assert not is_busy(queue)
    assert queue.failed_job_registry.count == 0


def test_a_job_that_kills_every_worker_is_given_up(socket_path: Path) -> None:
    queue = _asked(socket_path)
    for _ in range(3):
        _kills_its_worker(queue, socket_path)
    assert not is_busy(queue)
    assert queue.failed_job_registry.count == 1


def test_a_job_that_fails_is_not_tried_again(socket_path: Path) -> None:
    queue = _asked(socket_path, seconds=-1)
    assert _worker(socket_path).wait(60) == 0
    assert not is_busy(queue)
    assert queue.failed_job_registry.count == 1
