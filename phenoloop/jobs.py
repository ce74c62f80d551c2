"""The queue of pre-labelling jobs: the backend's workers work it off, whoever needs predictions writes to it.

A job whose worker was killed goes to another; a job that fails is not tried again, since the next one has its tasks.
Losing the queue loses nothing: `sync` sweeps for open tasks that lack a prediction of the live release.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import StrictInt, TypeAdapter, ValidationError
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.serializers import JSONSerializer

from phenoloop.errors import JobRefused, QueueUnavailable
from phenoloop.logs import current_trace_id

QUEUE = "phenoloop"
JOB = "ml_backend.prelabel.prelabel_chunk"
"""By its name, since not all who ask for it may import it."""
TRACE_ID = "trace_id"
"""Of whoever asked for the job, in its metadata."""
CHUNK = 200
"""Tasks of one job: what RQ and Label Studio cost for each is paid for all of them at once."""
_LIVES = Retry(max=2, enqueue_at_front=True)
"""So often a job is given to another worker after its own was killed: not for ever, it may be what kills them."""
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
        if not self.is_ours:
            raise JobRefused("Not a job of ours.", cure="Who else may write to this Redis?", job=self.id)
        return super().func  # type: ignore[no-any-return]

    @property
    def is_ours(self) -> bool:
        try:
            _ARGUMENTS.validate_python(self.args)
        except (ValidationError, DeserializationError):
            return False
        return self.func_name == JOB and self.instance is None

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
            retry=_LIVES,
            meta={TRACE_ID: current_trace_id()},
            description=f"pre-label {len(chunk)} tasks of project {project_id}",
        )
        for chunk in chunks
    ]
    try:
        queue.enqueue_many(jobs)
    except RedisError as error:
        raise QueueUnavailable("Redis did not take the job.", cure="Is Redis up?", project=project_id) from error


def asked_for(queue: Queue, project_id: int) -> frozenset[int]:
    """The project's tasks whose jobs wait or run. Raises QueueUnavailable."""
    try:
        ids = [*queue.job_ids, *queue.started_job_registry.get_job_ids()]
        jobs = queue.job_class.fetch_many(ids, connection=queue.connection, serializer=queue.serializer)
    except RedisError as error:
        raise QueueUnavailable("Redis does not answer.", cure="Is Redis up?") from error
    chunks = [_ARGUMENTS.validate_python(job.args) for job in jobs if job is not None and job.is_ours]
    return frozenset(task_id for project, task_ids in chunks if project == project_id for task_id in task_ids)


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
    try:  # twice: counting what runs puts the jobs of killed workers back into the queue
        return any(_under_way(queue) for _ in range(2))
    except RedisError as error:
        raise QueueUnavailable("Redis does not answer.", cure="Is Redis up?") from error


def _under_way(queue: Queue) -> bool:
    """Looks along a job's way, so that it misses none that goes on meanwhile."""
    return bool(queue.count or queue.intermediate_queue.get_job_ids() or queue.started_job_registry.count)
