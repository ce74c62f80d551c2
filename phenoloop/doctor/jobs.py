"""Redis and the workers that pre-label in the background."""

from __future__ import annotations

from redis import Redis
from rq import Worker

from phenoloop.doctor.check import Finding, failed, ok, warn
from phenoloop.doctor.loop import Loop
from phenoloop.jobs import queue_on


def redis(loop: Loop) -> Finding:
    connection = _connection(loop)
    connection.ping()
    version = connection.info("server").get("redis_version", "?")
    return ok(f"version {version}")


def workers(loop: Loop) -> Finding:
    """Whether someone listens on the queue, and whether jobs failed for good."""
    queue = queue_on(_connection(loop))
    found = Worker.all(queue=queue)
    if not found:
        return failed(
            f"no worker listens; {queue.count} jobs wait", "Start one: `python -m ml_backend.worker`, or see its log."
        )
    if count := queue.failed_job_registry.count:
        return warn(
            f"{len(found)} listen; {count} jobs failed for good",
            "The workers' log says why; `phenoloop prelabel` asks for what is lacking again.",
        )
    return ok(f"{len(found)} listen; {queue.count} jobs wait")


def _connection(loop: Loop) -> Redis:
    return Redis.from_url(loop.settings.redis_url, socket_connect_timeout=3, socket_timeout=5)
