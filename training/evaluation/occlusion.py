"""Pictures with parts hidden, and how far an answer is still the same: what attribution asks of a black box.

A hidden part is blurred beyond recognition, which invents no edges: Fong & Vedaldi, "Interpretable Explanations of
Black Boxes by Meaningful Perturbation", ICCV 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from loc360.wire import Box, Find, Image, Mask
from training.masks import Array, box_ious

_BLUR_SHARE = 0.12
"""Of the longer side: what is left is light and ground, no object."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture cut into about square cells, row by row."""

    rows: int
    columns: int

    @classmethod
    def of(cls, width_px: int, height_px: int, cells: int) -> "Grid":
        """With at most that many cells."""
        columns = max(1, min(cells, round((cells * width_px / height_px) ** 0.5)))
        return cls(max(1, cells // columns), columns)

    @property
    def cells(self) -> int:
        return self.rows * self.columns

    def drawn(self, values: Array, width_px: int, height_px: int) -> Array:
        """(height, width) of (cells,) values, blended at the cells' edges."""
        cells = values.reshape(self.rows, self.columns).astype(np.float32)
        smooth = cv2.resize(cells, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
        return np.asarray(np.clip(smooth, cells.min(), cells.max()), np.float64)


class Hideable:
    """A picture of which cells can be hidden."""

    def __init__(self, image: Image, grid: Grid) -> None:
        height, width = image.shape[:2]
        self.image, self.grid = image, grid
        self._blurred = cv2.GaussianBlur(image, (0, 0), _BLUR_SHARE * max(height, width))
        self._cells = cv2.resize(
            np.arange(grid.cells, dtype=np.float32).reshape(grid.rows, grid.columns),
            (width, height),
            interpolation=cv2.INTER_NEAREST,
        ).astype(np.intp)

    def shown(self, visible: Array) -> Image:
        """`visible` (cells,) from 0, hidden, to 1."""
        cover = np.asarray(visible)[self._cells].astype(np.float32)
        soft = cv2.GaussianBlur(cover, (0, 0), max(self.image.shape[:2]) / 200)[..., None]
        return np.asarray(self.image * soft + self._blurred * (1 - soft), np.uint8)

    def is_shown(self, visible: Array) -> Mask:
        """(height, width) pixels of the visible cells."""
        return np.asarray(np.asarray(visible)[self._cells] > 0.5, np.bool_)


def still_found(targets: Sequence[Find], finds: Sequence[Find]) -> Array:
    """(targets,) from 0 to 1: IoU times score of the find of its label that is most like each.

    Source: Petsiuk et al., "Black-box Explanation of Object Detectors via Saliency Maps", CVPR 2021.
    """
    overlaps = box_ious([item.box for item in targets], [item.box for item in finds])
    same = np.array([[seen.label == wanted.label for seen in finds] for wanted in targets], np.bool_)
    scores = np.array([item.score for item in finds], np.float64)
    return np.asarray((overlaps * same.reshape(overlaps.shape) * scores).max(axis=1, initial=0.0), np.float64)


def still_drawn(mask: Mask, now: Mask, within: Mask) -> float:
    """IoU of two masks on the pixels `within`; 1 if neither has one there."""
    united = np.count_nonzero((mask | now) & within)
    return np.count_nonzero(mask & now & within) / united if united else 1.0


def share_within(heat: Array, boxes: Sequence[Box]) -> tuple[float, float]:
    """(of the heat, of the area) what lies in the boxes; `heat` (height, width) is 0 or more. No heat is nowhere."""
    inside = np.zeros(heat.shape, np.bool_)
    for box in boxes:
        inside[int(box.y0) : round(box.y1) + 1, int(box.x0) : round(box.x1) + 1] = True
    total = float(heat.sum())
    return (float(heat[inside].sum()) / total if total > 0 else 0.0), float(inside.mean())
