"""Tasks in, Label Studio predictions out: exactly one a task, each task on its own."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog

from ml_backend.backend import Backend
from ml_backend.messages import Task
from phenoloop.chain.chain import ChainResult
from phenoloop.chain.images import StoredImage
from phenoloop.deadlines import require_time, time_limit
from phenoloop.errors import PhenoloopError, TaskInvalid, TimeOver
from phenoloop.labelling.config import LabellingConfig, parse_labelling_config
from phenoloop.labelling.regions import Shape, regions
from phenoloop.logs import carried

Prediction = dict[str, Any]
"""`{"result", "score", "model_version"}`. Label Studio stores it; an empty result says: looked and found nothing."""

Item = Prediction | list[Prediction]
"""A prediction, or `[]`: Label Studio stores nothing and asks again later."""

Work = Callable[[Task], Prediction]

labelling_config = lru_cache(maxsize=64)(parse_labelling_config)
"""Several projects and configurations are served at once; each text is read once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one task: a prediction, an error, or neither if its time never came."""

    task: Task
    prediction: Prediction | None = None
    error: Exception | None = None

    @property
    def item(self) -> Item:
        return [] if self.prediction is None else self.prediction

    @property
    def is_unfinished(self) -> bool:
        """There was too little time for it."""
        return self.prediction is None and (self.error is None or isinstance(self.error, TimeOver))


def predict_tasks(
    backend: Backend, tasks: Sequence[Task], config: LabellingConfig, *, deadline_s: float
) -> list[Outcome]:
    """All that the chain finds, for each task."""
    return outcomes(backend, tasks, lambda task: predict(backend, task, config), deadline_s=deadline_s)


def outcomes(
    backend: Backend, tasks: Sequence[Task], work: Work, *, deadline_s: float, kind: str = "batch"
) -> list[Outcome]:
    """One outcome a task, in order, at the deadline. Tasks run in parallel, each on its own.

    What is under way at the deadline is not waited for: it ends with the call that it waits for.
    """
    if not tasks:
        return []
    # threads of this call alone: a large batch never keeps another request waiting for a thread
    threads = ThreadPoolExecutor(min(backend.settings.parallel_tasks, len(tasks)), thread_name_prefix="predict")
    with time_limit(deadline_s):
        calls = [threads.submit(carried(outcome), backend, task, work, kind=kind) for task in tasks]
    done, _ = wait(calls, timeout=deadline_s)
    threads.shutdown(wait=False, cancel_futures=True)
    ended = [call.result() if call in done else Outcome(task) for task, call in zip(tasks, calls, strict=True)]
    backend.metrics.tasks.labels("deferred").inc(sum(outcome.is_unfinished for outcome in ended))
    return ended


def predict(backend: Backend, task: Task, config: LabellingConfig) -> Prediction:
    """One task through the chain. Raises what the chain and the image store raise, and TaskInvalid."""
    with photo(backend, task, config) as image:
        result = backend.chain.annotate(image, mm_per_px=scale_mm_per_px(task), project=task.project)
    backend.metrics.objects.inc(len(result.instances))
    with backend.metrics.timed("regions"):
        items = regions(
            shapes(result),
            config,
            result.width_px,
            result.height_px,
            label_map=backend.settings.label_map,
            image_measures=_numbers(result.metrics),
            id_seed=result.release,
        )
    return {"result": items, "score": _mean_score(result), "model_version": result.release}


def outcome(backend: Backend, task: Task, work: Work, *, kind: str) -> Outcome:
    """What `work` makes of the task, timed and counted; a failure, of whatever kind, is logged once and counted."""
    started, log = time.perf_counter(), structlog.get_logger()
    with structlog.contextvars.bound_contextvars(task=task.id, project=task.project):
        try:
            prediction = work(task)
            require_time("The prediction came when nobody waited for it any more.")
        except Exception as error:  # one task's failure, even a bug, never costs the others their item
            backend.metrics.tasks.labels("failed").inc()
            backend.metrics.failures.labels(type(error).__name__).inc()
            if isinstance(error, PhenoloopError):
                log.warning("task failed", error_type=type(error).__name__, error=str(error))
            else:
                log.exception("task failed on a bug")
            return Outcome(task, error=error)
    backend.metrics.tasks.labels("predicted").inc()
    backend.metrics.predict_seconds.labels(kind).observe(time.perf_counter() - started)
    return Outcome(task, prediction)


@contextmanager
def photo(backend: Backend, task: Task, config: LabellingConfig) -> Iterator[StoredImage]:
    """The photo that the task's data names under the configuration's image key. Raises TaskInvalid if it names none."""
    uri = task.data.get(config.image_key)
    if not isinstance(uri, str):
        raise TaskInvalid("The task's data names no image.", key=config.image_key)
    with ExitStack() as kept:
        with backend.metrics.timed("photo"):
            image = kept.enter_context(backend.images.fetch(uri))
        yield image


def scale_mm_per_px(task: Task) -> float | None:
    """The scale that the task's data gives as `mm_per_px`; it wins over the photo's own. Raises TaskInvalid."""
    given = task.data.get("mm_per_px")
    if given is None or given == "":
        return None
    try:
        scale = float(given)
    except (TypeError, ValueError, OverflowError):
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        raise TaskInvalid("The task's mm_per_px is no number above 0.", mm_per_px=given)
    return scale


def shapes(result: ChainResult) -> list[Shape]:
    return [
        Shape(
            label=instance.label,
            score=instance.score,
            box_px=instance.box_px,
            mask=instance.mask,
            origin_px=instance.mask_origin_px,
            measures=instance.measures,
        )
        for instance in result.instances
    ]


def _mean_score(result: ChainResult) -> float:
    """Label Studio sorts tasks by it; where nothing was found, 0 brings the task forward."""
    scores = [instance.score for instance in result.instances]
    return round(sum(scores) / len(scores), 4) if scores else 0.0


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}
