"""The queue of pre-labelling jobs: the backend's workers work it off, whoever needs predictions writes to it.

Losing it, or a job, loses nothing: `sync` sweeps for open tasks that lack a prediction of the live release. So a job
that fails is not tried again: the next one has its tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import StrictInt, TypeAdapter, ValidationError
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from phenoloop.errors import JobRefused, QueueUnavailable
from phenoloop.logs import current_trace_id

QUEUE = "phenoloop"
JOB = "ml_backend.prelabel.prelabel_chunk"
"""By its name, since not all who ask for it may import it."""
TRACE_ID = "trace_id"
"""Of whoever asked for the job, in its metadata."""
CHUNK = 16
_JOB_TIMEOUT_S = 1800
_FAILURE_KEPT_S = 24 * 3600
_ARGUMENTS = TypeAdapter(tuple[StrictInt, list[StrictInt]])
"""Project and tasks."""
_BRINGS_CODE = {b"success_callback_name", b"failure_callback_name", b"stopped_callback_name", b"webhooks"}


class PrelabelJob(Job):  # type: ignore[misc]  # rq ships no usable types
    """A job as it is read from Redis: the one there is, as JSON.

    RQ itself unpickles what it finds, runs whatever function or callback a job names and calls the webhooks it brings.
    """

    @property
    def func(self) -> Callable[..., Any]:
        """Raises JobRefused if the job is anything but pre-labelling of tasks by their numbers."""
        try:
            _ARGUMENTS.validate_python(self.args)
            is_ours = self.func_name == JOB and self.instance is None
        except ValidationError:
            is_ours = False
        if not is_ours:
            raise JobRefused("Not a job of ours.", cure="Who else may write to this Redis?", job=self.id)
        return super().func  # type: ignore[no-any-return]

    def restore(self, raw_data: Mapping[bytes, bytes]) -> Any:
        return super().restore({name: v for name, v in raw_data.items() if name not in _BRINGS_CODE})


def prelabel_queue(redis_url: str) -> Queue:
    """Nothing is connected before it is used."""
    return queue_on(Redis.from_url(redis_url, socket_connect_timeout=1, socket_timeout=2))


def queue_on(connection: Redis) -> Queue:
    return Queue(QUEUE, connection=connection, job_class=PrelabelJob, serializer=JSONSerializer)


def enqueue_prelabel(queue: Queue, project_id: int, task_ids: Sequence[int]) -> None:
    """Have these tasks predicted in the background, in chunks. Raises QueueUnavailable."""
    chunks = [list(task_ids[start : start + CHUNK]) for start in range(0, len(task_ids), CHUNK)]
    jobs = [
        Queue.prepare_data(
            JOB,
            args=(project_id, chunk),
            timeout=_JOB_TIMEOUT_S,
            result_ttl=0,
            failure_ttl=_FAILURE_KEPT_S,
            meta={TRACE_ID: current_trace_id()},
            description=f"pre-label {len(chunk)} tasks of project {project_id}",
        )
        for chunk in chunks
    ]
    try:
        queue.enqueue_many(jobs)
    except RedisError as error:
        raise QueueUnavailable("Redis did not take the job.", cure="Is Redis up?", project=project_id) from error


def queue_depth(queue: Queue) -> Mapping[str, int]:
    """How many jobs there are by state. Raises QueueUnavailable."""
    try:
        return {
            "waiting": queue.count,
            "running": queue.started_job_registry.count,
            "failed": queue.failed_job_registry.count,
        }
    except RedisError as error:
        raise QueueUnavailable("Redis does not answer.", cure="Is Redis up?") from error


def is_busy(queue: Queue) -> bool:
    """Whether jobs wait or run. Raises QueueUnavailable."""
    try:
        return bool(queue.count or queue.started_job_registry.count)
    except RedisError as error:
        raise QueueUnavailable("Redis does not answer.", cure="Is Redis up?") from error
