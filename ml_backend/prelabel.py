"""Pre-labelling in the background: RQ jobs of some tasks each, safe to run twice.

A job goes lot by lot. It asks Label Studio which tasks of the lot lack a prediction of the version that is live for
their project, and predicts those. While the next lot is predicted, it asks again, and stores what is still lacking.
Where nobody annotated a task yet, what an earlier release predicted is written over, not deleted: an annotator may be
at it, and Label Studio refuses an annotation whose prediction is gone. So a worker that is killed takes with it what it
predicted of two lots at most, and whoever gets its job finds the others stored. Losing the queue loses nothing: Label
Studio asks for what it lacks when a task is opened.
"""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from ml_backend.backend import Backend
from ml_backend.bootstrap import process_backend
from ml_backend.messages import Task
from ml_backend.predict import Outcome, Prediction, labelling_config, predict_tasks
from phenoloop.chain.release import supersedes
from phenoloop.errors import PhenoloopError, TimeOver
from phenoloop.labelling.client import LabelStudio, SavedPredictions
from phenoloop.labelling.config import LabellingConfig
from phenoloop.logs import carried

LOT = 100
"""Tasks that are listed and stored with one request each: what a request costs Label Studio, which is much in a large
project, is paid for all of them at once."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Some tasks of a job, and what came of those that lacked a prediction."""

    task_ids: Sequence[int]
    version: str
    outcomes: Sequence[Outcome]


def prelabel_chunk(project_id: int, task_ids: list[int]) -> None:
    """The job. Its process's backend is built from the settings, once."""
    prelabel(process_backend(), project_id, task_ids)


def prelabel(backend: Backend, project_id: int, task_ids: Sequence[int]) -> int:
    """Predict and store what these tasks lack of the live version; how many predictions were stored.

    If tasks failed in a way that may pass, or there was no time for them, raises the first such error after storing the
    others, so that the job counts as failed. Raises LabelStudioUnavailable, LabelStudioRefused, LabellingConfigInvalid,
    ReleaseMissing.
    """
    config = labelling_config(backend.label_studio.project(project_id).label_config)
    ends_s = time.monotonic() + backend.settings.job_deadline_s
    lots, stores = list[Lot](), list[Future[int]]()
    with ThreadPoolExecutor(1, thread_name_prefix="store") as storing:
        for at in range(0, len(task_ids), LOT):
            left_s = max(ends_s - time.monotonic(), 0.0)
            lots.append(_predicted(backend, project_id, task_ids[at : at + LOT], config, deadline_s=left_s))
            if stores:
                stores[-1].result()  # no more than one lot waits to be stored
            stores.append(storing.submit(carried(_store), backend, project_id, lots[-1]))
    stored = sum(store.result() for store in stores)
    _raise_what_may_pass(project_id, (outcome for lot in lots for outcome in lot.outcomes))
    return stored


def _predicted(
    backend: Backend, project_id: int, task_ids: Sequence[int], config: LabellingConfig, *, deadline_s: float
) -> Lot:
    """Those that lack a prediction of the version of now, in the order in which they were asked for."""
    version = backend.chain.version(project_id)
    lacking = {task.id: task for task in backend.label_studio.tasks(project_id, ids=task_ids, without_version=version)}
    tasks = [Task(id=id_, project=project_id, data=lacking[id_].data) for id_ in task_ids if id_ in lacking]
    return Lot(task_ids, version, predict_tasks(backend, tasks, config, deadline_s=deadline_s))


def _store(backend: Backend, project_id: int, lot: Lot) -> int:
    """What its tasks still lack; how many predictions were stored."""
    label_studio, live = backend.label_studio, backend.chain.version(project_id)
    done = {outcome.task.id: outcome.prediction for outcome in lot.outcomes if outcome.prediction is not None}
    saved = label_studio.saved_predictions(project_id, ids=[id_ for id_ in done if id_ is not None])
    # meanwhile someone may have opened a task, and Label Studio stored its prediction
    still = [task for task in saved if not task.has(live, done[task.task_id]["model_version"])]
    stored = [{"task": task.task_id, **done[task.task_id]} for task in still]
    fresh = [new for task, new in zip(still, stored, strict=True) if not _replaced(label_studio, task, new)]
    label_studio.import_predictions(project_id, fresh)
    superseded = _delete_superseded(label_studio, project_id, lot.task_ids, live)
    structlog.get_logger().info(
        "tasks pre-labelled",
        project=project_id,
        release=lot.version,
        stored=len(stored),
        replaced=len(stored) - len(fresh),
        failed=len(lot.outcomes) - len(done),
        superseded=superseded,
    )
    return len(stored)


def _replaced(label_studio: LabelStudio, task: SavedPredictions, prediction: Prediction) -> bool:
    """Whether an open task had one of another release, whose place the prediction took."""
    old = [one.id for one in task.predictions if supersedes(prediction["model_version"], one.model_version)]
    return task.is_open and bool(old) and label_studio.replace_prediction(max(old), prediction)


def _delete_superseded(label_studio: LabelStudio, project_id: int, task_ids: Sequence[int], live: str) -> int:
    """What a task has beside its prediction of now, since someone opened it before we came. How many there were.

    Of open tasks only: an annotation keeps the prediction that it was made from.
    """
    deleted = 0
    for task in label_studio.saved_predictions(project_id, ids=task_ids, several=True, only_open=True):
        if task.has(live):
            for prediction in task.predictions:
                if supersedes(live, prediction.model_version):
                    label_studio.delete_prediction(prediction.id)
                    deleted += 1
    return deleted


def _raise_what_may_pass(project_id: int, outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if isinstance(outcome.error, PhenoloopError) and outcome.error.retryable:
            raise outcome.error
        if outcome.is_unfinished:
            raise TimeOver("The job's time was over before all tasks were done.", project=project_id)
