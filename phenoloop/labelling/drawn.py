"""One object as if drawn by hand in the editor."""

import uuid

from phenoloop.labelling.config import LabellingConfig
from phenoloop.labelling.regions import Result, Shape, prompted_regions

MANUAL = "manual"
"""The `origin` of a region that no model proposed."""


def hand_drawn(
    shape: Shape, config: LabellingConfig, width_px: int, height_px: int, *, region_id: str = ""
) -> list[Result]:
    """The items of one region in the configuration's most exact control that knows the label; none if none does."""
    made = prompted_regions([shape], config, width_px, height_px, label_map={}, id_seed="")
    region_id = region_id or uuid.uuid4().hex[:10]
    own = [{name: value for name, value in item.items() if name != "score"} for item in made]
    return [item | {"id": region_id, "origin": MANUAL} for item in own]
