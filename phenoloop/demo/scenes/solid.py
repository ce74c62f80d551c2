"""A vegetable traced: what the camera would see of it alone, in a window of pixels of its own."""

from dataclasses import dataclass

import numpy as np

from phenoloop.demo.scenes.planes import Array
from phenoloop.demo.scenes.shapes import Patch, Surface
from phenoloop.demo.scenes.species import Specimen
from phenoloop.demo.scenes.species.parts import Painter

Window = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True, slots=True)
class TracedPart:
    paint: Painter
    surface: Surface
    window: Window
    """What the surface's patch takes of the solid's window."""


@dataclass(frozen=True, slots=True)
class Solid:
    label: str
    parts: tuple[TracedPart, ...]
    cover: Array
    """(h, w) share of each pixel that any part covers."""
    top: Array
    """(h, w) mm over what it lies on, 0 beside it."""
    bottom: Array
    """(h, w) mm over what it lies on, far up beside it."""


def traced(specimen: Specimen, mm_per_px: float) -> Solid:
    """Trace all parts of a specimen on one raster; it rests on the lowest point of its body."""
    left, top, right, bottom = (edge / mm_per_px for edge in specimen.bounds())
    left, top = left - 2, top - 2
    size = _even(bottom - top + 4), _even(right - left + 4)
    parts = []
    for part in specimen.parts:
        x0, y0, x1, y1 = (edge / mm_per_px for edge in part.shape.bounds())
        rows, columns = _side(y0 - top, y1 - top, size[0]), _side(x0 - left, x1 - left, size[1])
        corner = (left + columns.start) * mm_per_px, (top + rows.start) * mm_per_px
        patch = Patch(*corner, columns.stop - columns.start, rows.stop - rows.start, mm_per_px)
        parts.append(TracedPart(part.paint, part.shape.traced(patch), (rows, columns)))
    return _joined(specimen.label, parts, size)


def _joined(label: str, parts: list[TracedPart], size: tuple[int, int]) -> Solid:
    body = parts[0].surface.bottom
    floor = body.min() if body.size else np.float32(0)
    bare, highest, lowest = np.ones(size, np.float32), np.zeros(size, np.float32), np.full(size, 1e3, np.float32)
    for part in parts:
        surface, inside = part.surface, part.surface.cover > 0.5
        bare[part.window] *= 1 - surface.spread(surface.cover)
        over = surface.spread(np.where(inside, surface.top - floor, 0))
        under = surface.spread(np.where(inside, surface.bottom - floor, 1e3), empty=1e3)
        highest[part.window] = np.maximum(highest[part.window], over)
        lowest[part.window] = np.minimum(lowest[part.window], under)
    return Solid(label, tuple(parts), 1 - bare, highest, lowest)


def _side(low: float, high: float, size: int) -> slice:
    return slice(max(_even(low - 3), 0), min(_even(high + 4), size))


def _even(size: float) -> int:
    return int(size) // 2 * 2
