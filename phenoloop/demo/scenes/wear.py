"""What makes a ground look used: crumbs, dust, scratches, brush lines, straw. Maps (h, w)."""

import numpy as np

from phenoloop.demo.scenes.ground import View
from phenoloop.demo.scenes.marks import wandering
from phenoloop.demo.scenes.noise import noise_plane
from phenoloop.demo.scenes.planes import Array, blurred, resized, smoothstep

_MOST_CLODS = 2600
_CLOD_CELLS = 48


def clods(rng: np.random.Generator, view: View, density: float) -> tuple[Array, Array]:
    """Crumbs of soil as relief in mm, and where (0..1) one of them is a stone. `density` is per 70 mm2."""
    kinds = [_clod(rng) for _ in range(12)]
    relief, stones = np.zeros(view.shape, np.float32), np.zeros(view.shape, np.float32)
    smallest_mm = max(0.8, 2 * view.mm_per_px)
    count = int(min(density * view.width_mm * view.height_mm / 70, _MOST_CLODS))
    radii_mm = np.sort(np.minimum(smallest_mm * (1 + rng.pareto(2.1, count)), 9))[::-1]
    sizes = np.maximum((2 * radii_mm / view.mm_per_px).astype(int), 3)
    corners = (rng.random((count, 2)) * view.shape).astype(int)
    for radius, size, (row, column) in zip(radii_mm, sizes, corners, strict=True):
        window = slice(row, row + size), slice(column, column + size)
        height, width = relief[window].shape
        dome = resized(kinds[rng.integers(len(kinds))], (size, size))[:height, :width]
        raised = dome * np.float32(radius * 0.8) + 0.35 * relief[window]
        on_top = (dome > 0) & (raised > relief[window])
        np.copyto(relief[window], raised, where=on_top)
        np.copyto(stones[window], dome * (rng.random() > 0.965), where=on_top)
    return relief, stones


def dust(rng: np.random.Generator, view: View) -> Array:
    """Share of dirt: smears, and crumbs that fell off."""
    speckle = np.clip(0.6 + 0.4 * view.noise(rng, 2.2, 2), 0, 2)
    patches = view.noise(rng, 60, 7) + 0.5 * view.noise(rng, 300, 1)
    smears = rng.uniform(0, 0.4) ** 1.5 * smoothstep(0.3, 3.2, patches) * speckle
    crumbs = view.marks()
    for place in crumbs.places(rng, int(rng.integers(0, 90))):
        radius_mm, stretch = 0.25 + 1.1 * rng.random() ** 4, rng.uniform(1, 2)
        crumbs.dot(place, radius_mm, 0.82, stretch, rng.uniform(0, np.pi))
    dirt: Array = np.maximum(smears, crumbs.plane())
    return dirt


def scratches(rng: np.random.Generator, view: View, count: int) -> Array:
    marks = view.marks()
    for start in marks.places(rng, count):
        marks.line(wandering(rng, start, rng.uniform(2, 90) * rng.random(), 0.03), 0, rng.uniform(0.2, 0.9))
    return marks.plane()


def straw(rng: np.random.Generator, view: View) -> Array:
    """Bits of straw and rootlets, one in 9000 mm2."""
    marks = view.marks()
    for start in marks.places(rng, int(view.width_mm * view.height_mm / 9000)):
        marks.line(wandering(rng, start, rng.uniform(3, 26), 0.16), 0.7, rng.uniform(0.3, 0.9))
    return marks.plane()


def brushed(rng: np.random.Generator, view: View, *, along_x: bool) -> Array:
    """Fine lines from one side of the photo to the other, mean 0 and deviation about 1."""
    height, width = view.shape
    size = (height, max(width // 90, 4)) if along_x else (max(height // 90, 4), width)
    return blurred(resized(rng.standard_normal(size, dtype=np.float32), view.shape, smooth=True), 0.6)


def _clod(rng: np.random.Generator) -> Array:
    """A rough dome, 1 high, 0 outside its ragged outline."""
    y, x = np.mgrid[-1 : 1 : _CLOD_CELLS * 1j, -1 : 1 : _CLOD_CELLS * 1j]
    around = np.arctan2(y, x)
    ragged = sum(rng.normal(0, 0.09) * np.cos(waves * around + rng.uniform(0, 6)) for waves in (2, 3, 4, 5))
    rough = noise_plane(rng, (_CLOD_CELLS, _CLOD_CELLS), 6, 2)
    dome: Array = np.sqrt(np.clip(1 - (np.hypot(x, y) / (0.78 + ragged)) ** 2, 0, 1)) * (1 + 0.1 * rough)
    return dome
