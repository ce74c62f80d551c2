"""Tasks in, Label Studio predictions out: exactly one a task, each task on its own."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog

from ml_backend.backend import Backend
from ml_backend.messages import Task
from phenoloop.chain.chain import ChainResult
from phenoloop.chain.images import StoredImage
from phenoloop.errors import PhenoloopError, TaskInvalid
from phenoloop.labelling.config import LabellingConfig, parse_labelling_config
from phenoloop.labelling.regions import Shape, regions

Prediction = dict[str, Any]
"""`{"result", "score", "model_version"}`. Label Studio stores it; an empty result says: looked and found nothing."""

Item = Prediction | list[Prediction]
"""A prediction, or `[]`: Label Studio stores nothing and asks again later."""

labelling_config = lru_cache(maxsize=64)(parse_labelling_config)
"""Several projects and configurations are served at once; each text is read once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one task: a prediction, an error, or neither if there was no time for it."""

    task: Task
    prediction: Prediction | None = None
    error: Exception | None = None

    @property
    def item(self) -> Item:
        return [] if self.prediction is None else self.prediction

    @property
    def is_unfinished(self) -> bool:
        return self.prediction is None and self.error is None


def predict_tasks(
    backend: Backend, tasks: Sequence[Task], config: LabellingConfig, *, deadline_s: float | None = None
) -> list[Outcome]:
    """One outcome a task, in order. Tasks run in parallel, each on its own, until the deadline."""
    if not tasks:
        return []
    # threads of this call alone: a large batch never keeps another request waiting for a thread
    threads = ThreadPoolExecutor(min(backend.settings.parallel_tasks, len(tasks)), thread_name_prefix="predict")
    calls = [threads.submit(outcome, backend, task, lambda task: predict(backend, task, config)) for task in tasks]
    done, late = wait(calls, timeout=deadline_s)
    threads.shutdown(wait=False, cancel_futures=True)
    backend.metrics.tasks.labels("deferred").inc(len(late))
    return [call.result() if call in done else Outcome(task) for task, call in zip(tasks, calls, strict=True)]


def predict(backend: Backend, task: Task, config: LabellingConfig) -> Prediction:
    """One task through the chain. Raises what the chain and the image store raise, and TaskInvalid."""
    with photo(backend, task, config) as image:
        result = backend.chain.annotate(image, mm_per_px=scale_mm_per_px(task))
    backend.metrics.objects.inc(len(result.instances))
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


def outcome(backend: Backend, task: Task, work: Callable[[Task], Prediction], *, kind: str = "batch") -> Outcome:
    """What `work` makes of the task, timed and counted; a failure, of whatever kind, is logged and counted."""
    started = time.perf_counter()
    log = structlog.get_logger().bind(task=task.id, project=task.project)
    try:
        prediction = work(task)
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
    with backend.images.fetch(uri) as image:
        yield image


def scale_mm_per_px(task: Task) -> float | None:
    """The scale that the task's data gives as `mm_per_px`; it wins over the photo's own. Raises TaskInvalid."""
    given = task.data.get("mm_per_px")
    if given is None or given == "":
        return None
    try:
        scale = float(given)
    except (TypeError, ValueError):
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
