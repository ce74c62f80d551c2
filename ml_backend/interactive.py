"""Smart tools: the annotator draws a box or sets a point, the chain's second model answers with the object's mask.

Label Studio sends one task with what was just drawn in `params.context.result` (percent of the upright photo) and reads
`result` of the one item it gets. The editor then removes the prompt and accepts the regions as they come; a failure is
answered with `[]`, which leaves the prompt where it was drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from loc360.wire import Box, Point
from ml_backend.backend import Backend
from ml_backend.messages import Task
from ml_backend.predict import Item, Prediction, outcomes, photo, scale_mm_per_px, shapes
from phenoloop.chain.chain import Prompt
from phenoloop.chain.turns import somebody_waits
from phenoloop.errors import TaskInvalid
from phenoloop.labelling.annotated import AnnotatedRegion, decode_regions
from phenoloop.labelling.config import ControlKind, LabellingConfig
from phenoloop.labelling.regions import prompted_regions


def answer_prompt(backend: Backend, task: Task, config: LabellingConfig, drawn: Sequence[Mapping[str, Any]]) -> Item:
    """`[]` also if nothing is drawn: whatever came back then would be added to the annotation."""
    if not drawn:
        return []
    with somebody_waits():
        (answer,) = outcomes(
            backend,
            [task],
            lambda task: segment(backend, task, config, drawn),
            deadline_s=backend.settings.prompt_deadline_s,
            kind="interactive",
        )
    return answer.item


def segment(backend: Backend, task: Task, config: LabellingConfig, drawn: Sequence[Mapping[str, Any]]) -> Prediction:
    """The prompted object, under the annotator's label, in the most exact control.

    Raises TaskInvalid if nothing drawn is a prompt, and what the chain and the image store raise.
    """
    region = last_prompt(drawn)
    with photo(backend, task, config) as image:
        prompt, scale = as_prompt(region), scale_mm_per_px(task)
        result = backend.chain.segment(image, prompt, mm_per_px=scale, project=task.project)
    items = prompted_regions(
        shapes(result),
        config,
        result.width_px,
        result.height_px,
        label_map=backend.settings.label_map,
        id_seed=f"{result.release}/{region.id}",
    )
    return {"result": items, "score": 1.0, "model_version": result.release}


def last_prompt(drawn: Sequence[Mapping[str, Any]]) -> AnnotatedRegion:
    """The last box or point drawn; points that exclude (drawn with Alt) show no object. Raises TaskInvalid."""
    including = decode_regions(item for item in drawn if item.get("is_positive", True))
    prompts = [region for region in including if region.kind in {ControlKind.RECTANGLE, ControlKind.KEYPOINT}]
    if not prompts:
        raise TaskInvalid("Nothing drawn is a box or a point.", cure="Draw with a smart rectangle or key point.")
    return prompts[-1]


def as_prompt(region: AnnotatedRegion) -> Prompt:
    if region.kind is ControlKind.RECTANGLE:
        return Prompt(box_px=Box(*region.box_px), label=region.label)
    return Prompt(point_px=Point(*region.box_px[:2]), label=region.label)
