"""A round body along a spine: root, cucumber, stem, sepal."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.planes import Array, unit
from phenoloop.demo.scenes.shapes import Patch, Surface, touched, turn_about_z


@dataclass(frozen=True, slots=True)
class Tube:
    spine: NDArray[np.float64]
    """(n, 3) mm."""
    radius: NDArray[np.float64]
    """(n,) mm."""
    flatness: float = 1.0
    """Height of the cross-section over its half-width."""
    roll: float = 0.0

    @property
    def run(self) -> NDArray[np.float64]:
        """(n,) mm along the spine from its first point."""
        return np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(self.spine, axis=0), axis=1))])

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in mm."""
        low, high = self.spine[:, :2] - self.radius[:, None], self.spine[:, :2] + self.radius[:, None]
        left, top, right, bottom = map(float, (*low.min(0), *high.max(0)))
        return left, top, right, bottom

    def turned(self, angle: float) -> "Tube":
        return replace(self, spine=self.spine @ turn_about_z(angle).T)

    def traced(self, patch: Patch) -> Surface:
        """Each pixel takes the height, normal and skin of the nearest place on the spine."""
        x, y = patch.mesh()
        place, off = self._nearest(x, y, patch.step * patch.mm_per_px)
        run, index = self.run, np.arange(len(self.radius))
        tangents = np.gradient(self.spine, run, axis=0)
        narrowing = np.clip(np.gradient(self.radius, run), -4, 4)

        def at(values: NDArray[np.float64]) -> Array:
            return np.interp(place, index, values).astype(np.float32)

        radius = np.maximum(at(self.radius), 1e-3)
        side = np.clip(off / radius, -1, 1)
        rise = np.sqrt(1 - side * side)
        tangent = unit(np.stack([at(tangents[:, axis]) for axis in range(3)], -1))
        normal = self._normals(tangent, side, rise, at(narrowing))
        middle, half = at(self.spine[:, 2]), radius * rise * self.flatness
        angle = np.arcsin(side)
        maps = np.stack([middle + half, middle - half, at(run / run[-1]), angle, at(run), angle * radius], -1)
        pixels, cover, values = touched(np.abs(off) - radius, np.concatenate([maps, normal], -1), patch)
        top, bottom, along, around, skin_x, skin_y, *direction = values
        return Surface(
            patch=patch,
            pixels=pixels,
            cover=cover,
            top=top,
            bottom=bottom,
            normal=unit(np.stack(direction, -1)),
            along=along,
            around=around + np.float32(self.roll),
            skin_x=skin_x,
            skin_y=skin_y,
        )

    def _normals(self, tangent: Array, side: Array, rise: Array, narrowing: Array) -> Array:
        tx, ty, tz = (tangent[..., axis] for axis in range(3))
        flat = np.maximum(np.hypot(tx, ty), 0.2)
        across = np.stack([-ty / flat, tx / flat, np.zeros_like(tx)], -1)
        up = np.stack([-tz * tx / flat, -tz * ty / flat, flat], -1)
        sideways = across * side[..., None] - tangent * narrowing[..., None]
        normal: Array = sideways * self.flatness + up * rise[..., None]
        return normal

    def _nearest(self, x: Array, y: Array, cell_mm: float) -> tuple[Array, Array]:
        """For each point the nearest place on the spine (fractional index) and the signed distance to it.

        Points that are out of every piece's reach keep a large distance.
        """
        place, off = np.zeros_like(x), np.full_like(x, 1e3)
        for index, (start, end) in enumerate(zip(self.spine[:-1, :2], self.spine[1:, :2], strict=True)):
            reach = max(self.radius[index], self.radius[index + 1]) + 4 * cell_mm
            low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
            columns = slice(*np.searchsorted(x[0], [low[0], high[0]]))
            rows = slice(*np.searchsorted(y[:, 0], [low[1], high[1]]))
            dx, dy = (end - start).astype(np.float32)
            px, py = x[rows, columns] - np.float32(start[0]), y[rows, columns] - np.float32(start[1])
            share = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
            px, py = px - share * dx, py - share * dy
            distance = np.sqrt(px * px + py * py)
            nearer = distance < np.abs(off[rows, columns])
            np.copyto(off[rows, columns], np.copysign(distance, dx * py - dy * px), where=nearer)
            np.copyto(place[rows, columns], share + index, where=nearer)
        return place, off
