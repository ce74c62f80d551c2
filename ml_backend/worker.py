"""`python -m ml_backend.worker`: works off the pre-labelling jobs.

Jobs run in this process, one after another, each in parallel over its tasks: a fork for each job would lose the thread
that follows the live release, and would load everything anew.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job

from ml_backend.bootstrap import process_backend
from ml_backend.metrics import Metrics
from phenoloop.door import Door, open_door
from phenoloop.errors import PhenoloopError
from phenoloop.jobs import TRACE_ID, queue_on
from phenoloop.logs import configure_logs, traced
from phenoloop.settings import read_settings


class Worker(SimpleWorker):  # type: ignore[misc]  # rq ships no usable types
    """RQ's, whose jobs are timed, told of, and logged under the id of whoever asked for them.

    RQ's own worker that does not fork sends no heartbeats: a job whose worker was killed would count as running for as
    long as it might have taken.
    """

    metrics: Metrics
    heartbeat_s = 15.0
    missed_s = 60
    """A job without a heartbeat for so long is given up: its worker was killed."""

    def get_heartbeat_ttl(self, job: Job) -> int:  # noqa: ARG002  # RQ's signature
        return self.missed_s

    def execute_job(self, job: Job, queue: Queue) -> None:
        """What a worker that was killed left of the job would make RQ fail once the job is done."""
        self.connection.delete(job.execution_registry.key)
        super().execute_job(job, queue)

    def perform_job(self, job: Job, queue: Queue) -> bool:
        with self._heartbeats(job):
            return self._told_of(job, queue)

    @contextmanager
    def _heartbeats(self, job: Job) -> Iterator[None]:
        ended = threading.Event()

        def send() -> None:
            while not ended.wait(self.heartbeat_s):
                try:
                    self.maintain_heartbeats(job)
                except RedisError as error:  # the job goes on; without Redis nobody can miss the heartbeat
                    structlog.get_logger().warning("heartbeat not sent", job=job.id, error_type=type(error).__name__)

        thread = threading.Thread(target=send, name="heartbeats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _told_of(self, job: Job, queue: Queue) -> bool:
        started_s = time.perf_counter()
        job.retries_left = 0  # a job that fails is not tried again; in Redis it has some left, for when we are killed
        asked_by = job.meta.get(TRACE_ID) if isinstance(job.meta, dict) else None
        with (
            traced(asked_by if isinstance(asked_by, str) else None),
            structlog.contextvars.bound_contextvars(job=job.id),
        ):
            done: bool = super().perform_job(job, queue)
            seconds = time.perf_counter() - started_s
            self.metrics.job_seconds.labels("done" if done else "failed").observe(seconds)
            if done:
                structlog.get_logger().info("job done", seconds=round(seconds, 3))
        return done

    def handle_exception(self, job: Job, kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
        """One line in our log, instead of RQ's own."""
        facts: dict[str, Any] = {"job": job.id, "error_type": kind.__name__}
        if isinstance(error, PhenoloopError):
            structlog.get_logger().warning("job failed", error=str(error), **facts)
        else:
            structlog.get_logger().error("job failed on a bug", exc_info=(kind, error, trace), **facts)


def main() -> None:
    """Runs until SIGINT or SIGTERM; the job at hand is finished first. Raises SettingsInvalid."""
    configure_logs()
    settings, backend = read_settings(), process_backend()
    open_door(settings.monitoring, Door(backend.metrics, backend.problems))
    connection = Redis.from_url(settings.redis_url)
    queue = queue_on(connection)
    worker = Worker([queue], connection=connection, job_class=queue.job_class, serializer=queue.serializer)
    worker.metrics = backend.metrics
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
