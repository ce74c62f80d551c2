"""Lines and dots drawn on a plane of millimetres: scratches and crumbs on the ground, scars and warts on a skin."""

from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.planes import Array, sampled

_SHIFT = 4  # OpenCV takes coordinates in sixteenths of a pixel


class Marks:
    """A canvas of strengths 0..1 over a rectangle in mm."""

    def __init__(self, left_mm: float, top_mm: float, right_mm: float, bottom_mm: float, cell_mm: float = 0.2) -> None:
        self.low_mm, self.high_mm = np.array([left_mm, top_mm]), np.array([right_mm, bottom_mm])
        self._cell_mm = cell_mm
        width, height = (max(round(float(side / cell_mm)), 1) for side in self.high_mm - self.low_mm)
        self._canvas = np.zeros((height, width), np.uint8)

    def places(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Random points (count, 2) of the rectangle in mm."""
        return rng.uniform(self.low_mm, self.high_mm, (count, 2))

    def line(self, points_mm: NDArray[np.float64], width_mm: float, strength: float) -> None:
        """Draw a line through points (n, 2)."""
        cells, ink = self._cells(points_mm).astype(np.int32), round(255 * strength)
        cv2.polylines(self._canvas, [cells], False, ink, max(round(width_mm / self._cell_mm), 1), cv2.LINE_AA, _SHIFT)  # noqa: FBT003

    def dot(
        self, place_mm: NDArray[np.float64], radius_mm: float, strength: float, stretch: float = 1.0, turn: float = 0.0
    ) -> None:
        """Fill an ellipse, `stretch` times as long as it is wide."""
        axes = np.maximum(np.array([stretch, 1.0]) * radius_mm / self._cell_mm * 2**_SHIFT, 8).astype(int).tolist()
        centre, ink = self._cells(place_mm).astype(int).tolist(), round(255 * strength)
        cv2.ellipse(self._canvas, centre, axes, np.degrees(turn), 0, 360, ink, -1, cv2.LINE_AA, _SHIFT)

    def softened(self, sigma_mm: float) -> Self:
        self._canvas = cv2.GaussianBlur(self._canvas, (0, 0), sigma_mm / self._cell_mm).astype(np.uint8)
        return self

    def at(self, x_mm: Array, y_mm: Array) -> Array:
        """Strength at places x, y; none beyond the rectangle."""
        x, y = (x_mm - self.low_mm[0]) / self._cell_mm, (y_mm - self.low_mm[1]) / self._cell_mm
        found: Array = sampled(self._canvas, x, y, beyond=cv2.BORDER_CONSTANT).astype(np.float32) / np.float32(255)
        return found

    def plane(self) -> Array:
        """The canvas itself, (h, w)."""
        return self._canvas.astype(np.float32) / np.float32(255)

    def _cells(self, places_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        cells: NDArray[np.float64] = np.round((places_mm - self.low_mm) / self._cell_mm * 2**_SHIFT)
        return cells


def wandering(rng: np.random.Generator, start: NDArray[np.float64], length: float, bend: float) -> NDArray[np.float64]:
    """A line (9, 2) from `start` in a random direction; each of its 8 steps turns by about `bend` radians."""
    turns = rng.uniform(0, 2 * np.pi) + rng.normal(0, bend, 8).cumsum()
    steps = np.stack([np.cos(turns), np.sin(turns)], -1).cumsum(0) * length / 8
    line: NDArray[np.float64] = start + np.concatenate([np.zeros((1, 2)), steps])
    return line
