"""Where the vegetables lie: apart, touching or heaped; each later one on top of those before."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.ground import View
from phenoloop.demo.scenes.planes import Array
from phenoloop.demo.scenes.solid import Solid, Window, traced
from phenoloop.demo.scenes.species import SPECIES, Specimen

_CELL_PX = 2  # places are searched on every other pixel
_TRIES = 40
_FULL = 0.42  # no more is laid into a photo that is covered to this share
_LEAST_VISIBLE = 0.4
_HIGHEST_LIFT_MM = 34.0  # what would have to lie higher would roll off
_MOST_OVERLAP = {"apart": 0.0, "touching": 0.09, "heaped": 0.38}
_ODDS = (0.3, 0.35, 0.35)


@dataclass(frozen=True, slots=True)
class Placed:
    solid: Solid
    window: Window
    """Of the photo."""
    lift_mm: float
    """How far above the ground it lies."""


def laid_out(
    rng: np.random.Generator,
    view: View,
    border_mm: tuple[float, float],
    kept_free: Array,
    kinds: Sequence[str],
    wanted: int,
) -> list[Placed]:
    """Up to `wanted` vegetables, the lowest first, all whole within the border and off what is `kept_free` (h, w)."""
    table = _Table(rng, view, border_mm, kept_free)
    placed: list[Placed] = []
    for _ in range(3 * wanted + 16):
        if len(placed) >= wanted or (placed and table.covered_share > _FULL):
            break
        specimen = table.turned_to_fit(SPECIES[str(rng.choice(kinds))](rng))
        spot = table.put(traced(specimen, view.mm_per_px)) if specimen else None
        if spot:
            placed.append(spot)
    return placed


@dataclass(frozen=True, slots=True)
class _Spot:
    touching: int
    """Cells of others under and beside it."""
    row: int
    column: int
    lift_mm: float


class _Table:
    """What lies where, on a coarse raster."""

    def __init__(self, rng: np.random.Generator, view: View, border_mm: tuple[float, float], kept_free: Array) -> None:
        self._rng, self._view = rng, view
        self._border_px = np.array(border_mm) / view.mm_per_px
        self._room_px = np.array([view.width_px, view.height_px]) - 2 * self._border_px
        self._arrangement = str(rng.choice(list(_MOST_OVERLAP), p=_ODDS))
        self._middle = rng.uniform(0.35, 0.65, 2)
        self._free = kept_free[::_CELL_PX, ::_CELL_PX] <= 0
        self._owner = np.full(self._free.shape, -1, np.int16)
        self._heights = np.zeros(self._free.shape, np.float32)
        self._sizes: list[int] = []

    @property
    def covered_share(self) -> float:
        return float((self._owner >= 0).mean())

    def turned_to_fit(self, specimen: Specimen) -> Specimen | None:
        """The specimen at a random angle at which it fits within the border; None if there is none."""
        for _ in range(12):
            turned = specimen.turned(self._rng.uniform(0, 2 * np.pi))
            left, top, right, bottom = turned.bounds()
            if (np.array([right - left, bottom - top]) / self._view.mm_per_px + 10 < self._room_px).all():
                return turned
        return None

    def put(self, solid: Solid) -> Placed | None:
        """Lay it down where the arrangement allows, closest to others unless apart; None if there was no such place."""
        inside = solid.cover[::_CELL_PX, ::_CELL_PX] > 0.5
        about = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        spots = [spot for corner in self._corners(inside.shape) if (spot := self._spot(solid, inside, about, *corner))]
        if not spots:
            return None
        spot = spots[0] if self._arrangement == "apart" else max(spots, key=lambda spot: spot.touching)
        window = _window(spot.row, spot.column, inside.shape)
        over = np.where(inside, solid.top[::_CELL_PX, ::_CELL_PX] + spot.lift_mm, 0)
        self._heights[window] = np.maximum(self._heights[window], over)
        self._owner[window][inside] = len(self._sizes)
        self._sizes.append(int(inside.sum()))
        return Placed(solid, _window(spot.row * _CELL_PX, spot.column * _CELL_PX, solid.cover.shape), spot.lift_mm)

    def _corners(self, shape: tuple[int, ...]) -> list[tuple[int, int]]:
        """Rows and columns to try, of the upper left corner."""
        spare = self._room_px - np.array(shape[::-1]) * _CELL_PX
        if self._arrangement == "heaped":
            spread = np.clip(self._rng.normal(self._middle, 0.16, (_TRIES, 2)), 0, 1)
        else:
            spread = self._rng.random((_TRIES, 2))
        corners = ((self._border_px + spread * np.maximum(spare, 0)) / _CELL_PX).astype(int)
        return [(row, column) for column, row in corners.tolist()]

    def _spot(
        self, solid: Solid, inside: NDArray[np.bool_], about: NDArray[np.bool_], row: int, column: int
    ) -> _Spot | None:
        window = _window(row, column, inside.shape)
        under, touching = self._owner[window][inside], int((self._owner[window][about] >= 0).sum())
        hidden, most = int((under >= 0).sum()), _MOST_OVERLAP[self._arrangement] * len(under)
        if not self._free[window][about].all() or hidden > most or (touching and not most):
            return None
        gap = self._heights[window] - solid.bottom[::_CELL_PX, ::_CELL_PX]
        lift = max(float(gap[inside].max()), 0.0) if hidden else 0.0
        visible = [self._visible_without(int(index), under) for index in np.unique(under) if index >= 0]
        if lift > _HIGHEST_LIFT_MM or min(visible, default=1.0) < _LEAST_VISIBLE:
            return None
        return _Spot(touching, row, column, lift)

    def _visible_without(self, index: int, under: NDArray[np.int16]) -> float:
        """Visible share of an earlier object once the cells `under` are hidden."""
        return float((self._owner == index).sum() - (under == index).sum()) / self._sizes[index]


def _window(row: int, column: int, shape: tuple[int, ...]) -> Window:
    return slice(row, row + shape[0]), slice(column, column + shape[1])
