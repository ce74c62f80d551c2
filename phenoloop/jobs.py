"""The queue of pre-labelling jobs: the backend's workers work it off, whoever needs predictions writes to it.

Losing it loses nothing: `sync` sweeps for open tasks that lack a prediction of the live release.
"""

from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry

from phenoloop.errors import QueueUnavailable

QUEUE = "phenoloop"
JOB = "ml_backend.prelabel.prelabel_chunk"
"""By its name, since not all who ask for it may import it."""
CHUNK = 16
_JOB_TIMEOUT_S = 1800
_RETRY_AFTER_S = (15, 60, 300)


def prelabel_queue(redis_url: str) -> Queue:
    """Nothing is connected before it is used."""
    return Queue(QUEUE, connection=Redis.from_url(redis_url, socket_connect_timeout=1, socket_timeout=2))


def enqueue_prelabel(queue: Queue, project_id: int, task_ids: Sequence[int]) -> None:
    """Have these tasks predicted in the background, in chunks. Raises QueueUnavailable."""
    chunks = [list(task_ids[start : start + CHUNK]) for start in range(0, len(task_ids), CHUNK)]
    jobs = [
        Queue.prepare_data(
            JOB,
            args=(project_id, chunk),
            timeout=_JOB_TIMEOUT_S,
            result_ttl=0,
            retry=Retry(max=len(_RETRY_AFTER_S), interval=list(_RETRY_AFTER_S)),
            description=f"pre-label {len(chunk)} tasks of project {project_id}",
        )
        for chunk in chunks
    ]
    try:
        queue.enqueue_many(jobs)
    except RedisError as error:
        raise QueueUnavailable("Redis did not take the job.", cure="Is Redis up?", project=project_id) from error


def is_busy(queue: Queue) -> bool:
    """Whether jobs wait, run or will be tried again. Raises QueueUnavailable."""
    try:
        return bool(queue.count or queue.started_job_registry.count or queue.scheduled_job_registry.count)
    except RedisError as error:
        raise QueueUnavailable("Redis does not answer.", cure="Is Redis up?") from error
