"""Pre-labelling in the background: RQ jobs of a few tasks each, safe to run twice.

A job asks Label Studio which of its tasks lack a prediction of the live version, predicts those, asks again, and stores
what is still lacking. Losing the queue loses nothing: Label Studio asks for what it lacks when a task is opened.
"""

from collections.abc import Sequence

import structlog
from redis.exceptions import RedisError
from rq import Queue, Retry

from ml_backend.backend import Backend
from ml_backend.bootstrap import process_backend
from ml_backend.messages import Task
from ml_backend.predict import labelling_config, predict_tasks
from phenoloop.errors import PhenoloopError, QueueUnavailable

CHUNK = 16
_JOB_TIMEOUT_S = 1800
_RETRY_AFTER_S = (15, 60, 300)


def enqueue_prelabel(queue: Queue, project_id: int, task_ids: Sequence[int]) -> None:
    """Have these tasks predicted in the background, in chunks. Raises QueueUnavailable."""
    chunks = [list(task_ids[start : start + CHUNK]) for start in range(0, len(task_ids), CHUNK)]
    jobs = [
        Queue.prepare_data(
            prelabel_chunk,
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


def prelabel_chunk(project_id: int, task_ids: list[int]) -> None:
    """The job. Its process's backend is built from the settings, once."""
    prelabel(process_backend(), project_id, task_ids)


def prelabel(backend: Backend, project_id: int, task_ids: Sequence[int]) -> int:
    """Predict and store what these tasks lack of the live version; how many predictions were stored.

    If tasks failed in a way that may pass, raises the first such error after storing the others, so that the job is
    tried again. Raises LabelStudioUnavailable, LabelStudioRefused, LabellingConfigInvalid, ReleaseMissing.
    """
    label_studio, version = backend.label_studio, backend.chain.version()
    config = labelling_config(label_studio.project(project_id).label_config)
    lacking = label_studio.tasks(project_id, ids=task_ids, without_version=version)
    tasks = [Task(id=task.id, project=project_id, data=task.data) for task in lacking]
    outcomes = predict_tasks(backend, tasks, config)
    done = {outcome.task.id: outcome.prediction for outcome in outcomes if outcome.prediction is not None}
    # meanwhile someone may have opened a task, and Label Studio stored its prediction
    still = label_studio.tasks(project_id, ids=[id_ for id_ in done if id_ is not None], without_version=version)
    stored = [{"task": task.id, **done[task.id]} for task in still]
    label_studio.import_predictions(project_id, stored)
    structlog.get_logger().info(
        "tasks pre-labelled", project=project_id, release=version, stored=len(stored), failed=len(tasks) - len(done)
    )
    for outcome in outcomes:
        if isinstance(outcome.error, PhenoloopError) and outcome.error.retryable:
            raise outcome.error
    return len(stored)
