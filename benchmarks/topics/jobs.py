"""What RQ costs: a job's share of its tasks' time, and asking for many jobs at once."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from rq import Queue

from benchmarks.figure import Figure, as_gain, as_share
from benchmarks.redis_server import redis_server
from phenoloop.jobs import CHUNK, JOB, enqueue_prelabel, prelabel_queue

TASKS_A_SECOND = 8 / 0.06 / 12
"""With 8 slots of an endpoint, 60 ms an invocation and 12 objects a photo."""


def measure(*, quick: bool) -> Iterator[Figure]:
    jobs, rounds = (50, 2) if quick else (300, 5)
    with redis_server() as url:
        queue = prelabel_queue(url)
        chunks_s, at_once_s, one_by_one_s = _enqueueing_s(queue, jobs, rounds)
        ours_s, forking_s = _working_s(queue, url, jobs, rounds)
    yield as_gain(
        f"{jobs} tasks asked for, in chunks", chunks_s, "s", "`enqueue` of a job a task", one_by_one_s, least=5
    )
    yield as_gain(f"{jobs} jobs of a task each, `enqueue_many`", at_once_s, "s", "`enqueue` of each", one_by_one_s)
    yield as_share(
        f"RQ's part of a job of {CHUNK} tasks",
        ours_s,
        "s",
        f"the tasks at the endpoint's own limit, {TASKS_A_SECOND:.3g} a second",
        CHUNK / TASKS_A_SECOND,
        most=0.02,
    )
    yield as_gain("A job without its work", ours_s, "s", "RQ's worker that forks for each", forking_s)


def _enqueueing_s(queue: Queue, tasks: int, rounds: int) -> tuple[float, float, float]:
    """Asking for tasks in chunks, with a job a task at once, and one by one; in turns, the best of each."""
    jobs = [Queue.prepare_data(JOB, args=(1, [task]), timeout=1800, result_ttl=0) for task in range(tasks)]

    def one_by_one() -> None:
        for task in range(tasks):
            queue.enqueue(JOB, args=(1, [task]), job_timeout=1800, result_ttl=0)

    ways = (lambda: enqueue_prelabel(queue, 1, range(tasks)), lambda: queue.enqueue_many(jobs), one_by_one)
    turns = [[_seconds(way, queue) for way in ways] for _ in range(rounds)]
    chunks_s, at_once_s, one_by_one_s = (min(spent) for spent in zip(*turns, strict=True))
    return chunks_s, at_once_s, one_by_one_s


def _seconds(way: Callable[[], object], queue: Queue) -> float:
    queue.empty()
    started_s = time.perf_counter()
    way()
    return time.perf_counter() - started_s


def _working_s(queue: Queue, url: str, jobs: int, rounds: int) -> tuple[float, float]:
    """Of one job: our worker, and RQ's that forks; in turns, the best of each."""
    spent: dict[str, list[float]] = {"ours": [], "forking": []}
    for _ in range(rounds):
        for kind, seconds in spent.items():
            count = jobs if kind == "ours" else jobs // 5
            queue.empty()
            enqueue_prelabel(queue, 1, range(CHUNK * count))
            command = [sys.executable, "-m", "benchmarks.idle_worker", url, kind]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            seconds.append(float(done.stdout) / count)
    return min(spent["ours"]), min(spent["forking"])
