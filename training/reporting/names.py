"""What figures are called in front of people."""

from dataclasses import dataclass
from typing import Literal

from training.evaluation.scores import is_error


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    """As in `training.evaluation.scores.ChainScores`."""
    title: str
    unit: Literal["share", "mm", "mm²", "objects"] = "share"

    @property
    def low_is_good(self) -> bool:
        return is_error(self.name)


FIGURES = (
    Figure("quality", "Quality, which decides"),
    Figure("box_ap50_pooled", "Boxes: average precision, all labels at once"),
    Figure("mask_ap50_pooled", "Masks: average precision, all labels at once"),
    Figure("box_ap50", "Boxes: average precision, mean over labels"),
    Figure("mask_ap50", "Masks: average precision, mean over labels"),
    Figure("box_ap50_any_label", "Boxes: average precision, whatever the label"),
    Figure("mean_iou", "Overlap with the true outline"),
    Figure("precision", "Precision: of what is shown, right"),
    Figure("recall", "Recall: of what is there, found"),
    Figure("f1", "F1"),
    Figure("count_mean_error_objects", "Counting error of a photo", "objects"),
    Figure("length_median_error_mm", "Length, median error", "mm"),
    Figure("length_median_error_share", "Length, median error of the length"),
    Figure("width_median_error_mm", "Width, median error", "mm"),
    Figure("width_median_error_share", "Width, median error of the width"),
    Figure("area_median_error_mm2", "Area, median error", "mm²"),
    Figure("area_median_error_share", "Area, median error of the area"),
)
BY_NAME = {figure.name: figure for figure in FIGURES}

HEADLINES = ("quality", "box_ap50_pooled", "mask_ap50_pooled", "mean_iou", "precision", "recall", "f1")
ERROR_KINDS = {
    "missed": "Missed: nothing found on an object",
    "extra": "Extra: found where nothing is, or twice",
    "misplaced": "Misplaced: the box touches an object but does not fit it",
    "wrong_label": "Wrong label on the right object",
    "bad_mask": "Bad mask in a good box",
}
