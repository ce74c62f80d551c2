"""Pre-labelling in the background: RQ jobs of a few tasks each, safe to run twice.

A job asks Label Studio which of its tasks lack a prediction of the version that is live for their project, predicts
those, asks again, stores what is still lacking, and deletes what earlier releases predicted for tasks that nobody
annotated yet. Losing the queue loses nothing: Label Studio asks for what it lacks when a task is opened.
"""

from collections.abc import Sequence

import structlog

from ml_backend.backend import Backend
from ml_backend.bootstrap import process_backend
from ml_backend.messages import Task
from ml_backend.predict import labelling_config, predict_tasks
from phenoloop.chain.release import supersedes
from phenoloop.errors import PhenoloopError, TimeOver
from phenoloop.labelling.client import LabelStudio


def prelabel_chunk(project_id: int, task_ids: list[int]) -> None:
    """The job. Its process's backend is built from the settings, once."""
    prelabel(process_backend(), project_id, task_ids)


def prelabel(backend: Backend, project_id: int, task_ids: Sequence[int]) -> int:
    """Predict and store what these tasks lack of the live version; how many predictions were stored.

    If tasks failed in a way that may pass, or there was no time for them, raises the first such error after storing the
    others, so that the job counts as failed. Raises LabelStudioUnavailable, LabelStudioRefused, LabellingConfigInvalid,
    ReleaseMissing.
    """
    label_studio, version = backend.label_studio, backend.chain.version(project_id)
    config = labelling_config(label_studio.project(project_id).label_config)
    lacking = label_studio.tasks(project_id, ids=task_ids, without_version=version)
    tasks = [Task(id=task.id, project=project_id, data=task.data) for task in lacking]
    outcomes = predict_tasks(backend, tasks, config, deadline_s=backend.settings.job_deadline_s)
    done = {outcome.task.id: outcome.prediction for outcome in outcomes if outcome.prediction is not None}
    # meanwhile someone may have opened a task, and Label Studio stored its prediction
    still = label_studio.tasks(project_id, ids=[id_ for id_ in done if id_ is not None], without_version=version)
    stored = [{"task": task.id, **done[task.id]} for task in still]
    label_studio.import_predictions(project_id, stored)
    superseded = 0
    if backend.chain.version(project_id) == version:  # else what we stored is superseded itself
        superseded = _delete_superseded(label_studio, project_id, task_ids, version)
    structlog.get_logger().info(
        "tasks pre-labelled",
        project=project_id,
        release=version,
        stored=len(stored),
        failed=len(tasks) - len(done),
        superseded=superseded,
    )
    for outcome in outcomes:
        if isinstance(outcome.error, PhenoloopError) and outcome.error.retryable:
            raise outcome.error
        if outcome.is_unfinished:
            raise TimeOver("The job's time was over before all tasks were done.", project=project_id)
    return len(stored)


def _delete_superseded(label_studio: LabelStudio, project_id: int, task_ids: Sequence[int], version: str) -> int:
    """Of open tasks only: an annotation keeps the prediction that it was made from. How many there were."""
    deleted = 0
    for task in label_studio.tasks(project_id, ids=task_ids, only_open=True):
        predictions = label_studio.predictions(task.id)
        if any(prediction["model_version"] == version for prediction in predictions):
            for prediction in predictions:
                if supersedes(version, str(prediction["model_version"])):
                    label_studio.delete_prediction(int(prediction["id"]))
                    deleted += 1
    return deleted
