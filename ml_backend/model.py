"""The chain as a label-studio-ml model.

Only `predict` and `fit` are overridden, and the constructor is the library's, so the class runs under our own app as
under the servers of label-studio-ml 1.0.9 (`init_app(phenoloop_model(backend))`) and 2.x (`init_app(model_class=...)`).
"""

from contextlib import nullcontext
from typing import Any, ClassVar

import structlog
from label_studio_ml.model import LabelStudioMLBase
from pydantic import TypeAdapter

from ml_backend.backend import Backend
from ml_backend.interactive import answer_prompt
from ml_backend.messages import Context, Task
from ml_backend.predict import Item, Outcome, labelling_config, predict_tasks
from phenoloop.chain.turns import somebody_waits
from phenoloop.errors import QueueUnavailable
from phenoloop.jobs import enqueue_prelabel

_TASKS = TypeAdapter(list[Task])


class PhenoloopModel(LabelStudioMLBase):  # type: ignore[misc]  # the library ships no types
    backend: ClassVar[Backend]

    def predict(self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any) -> list[Item]:
        """One item a task. With a `context`, what its smart tool asks for; else all that the chain finds.

        `label_config` may be given; else it is the one that the model was made with. What isn't predicted before the
        deadline is answered `[]` and handed to a background job.
        Raises pydantic's ValidationError if tasks or context are of another form, LabellingConfigInvalid.
        """
        given = _TASKS.validate_python(tasks)
        config = labelling_config(kwargs.get("label_config") or self.label_config)
        if context is not None:
            drawn = Context.model_validate(context).result
            return [answer_prompt(self.backend, task, config, drawn) for task in given]
        deadline_s = self.backend.settings.predict_deadline_s
        with somebody_waits() if len(given) == 1 else nullcontext():  # a task that somebody opened
            outcomes = predict_tasks(self.backend, given, config, deadline_s=deadline_s)
        _hand_over(self.backend, [outcome for outcome in outcomes if outcome.is_unfinished])
        return [outcome.item for outcome in outcomes]

    def fit(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # noqa: ARG002  # called differently by 1.x and 2.x
        """Nothing: annotations reach training through S3, and sync decides when to train."""
        return {}


def phenoloop_model(backend: Backend) -> type[PhenoloopModel]:
    """The model class bound to a backend, for servers that make their instances themselves."""
    return type("BoundPhenoloopModel", (PhenoloopModel,), {"backend": backend})


def _hand_over(backend: Backend, unfinished: list[Outcome]) -> None:
    by_project: dict[int, list[int]] = {}
    for task in (outcome.task for outcome in unfinished):
        if task.id is not None and task.project is not None:
            by_project.setdefault(task.project, []).append(task.id)
    log = structlog.get_logger()
    for project_id, task_ids in by_project.items():
        try:
            enqueue_prelabel(backend.queue, project_id, task_ids)
            log.info("tasks handed to the background", project=project_id, tasks=len(task_ids))
        except QueueUnavailable as error:  # the finished items still count; Label Studio asks again for these
            log.warning("tasks could not be handed over", project=project_id, tasks=len(task_ids), error=str(error))
