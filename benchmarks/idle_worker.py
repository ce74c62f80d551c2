"""`python -m benchmarks.idle_worker REDIS_URL KIND`: works off jobs that do nothing, and says how many seconds it took.

KIND is `ours`, the worker as it runs, or `forking`, RQ's own that forks for each job.
"""

import sys
import time

import rq
from redis import Redis

import ml_backend.prelabel
from ml_backend.metrics import Metrics
from ml_backend.worker import Worker
from phenoloop.jobs import queue_on
from phenoloop.logs import configure_logs


def main() -> None:
    configure_logs()
    url, kind = sys.argv[1:]
    ml_backend.prelabel.prelabel_chunk = _nothing
    Worker.metrics = Metrics()
    queue = queue_on(Redis.from_url(url))
    made = {"ours": Worker, "forking": rq.Worker}[kind]
    worker = made([queue], connection=queue.connection, job_class=queue.job_class, serializer=queue.serializer)
    started_s = time.perf_counter()
    worker.work(burst=True, logging_level="WARNING")
    sys.stdout.write(f"{time.perf_counter() - started_s}\n")


def _nothing(project_id: int, task_ids: list[int]) -> None:
    """A job without its work."""


if __name__ == "__main__":
    main()
