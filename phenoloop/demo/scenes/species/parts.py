"""What every vegetable is made of: shapes, each with the function that paints it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.blob import Blob
from phenoloop.demo.scenes.light import Paint
from phenoloop.demo.scenes.marks import Marks
from phenoloop.demo.scenes.noise import Textures, looked_up
from phenoloop.demo.scenes.planes import linear, mixed
from phenoloop.demo.scenes.shapes import Surface
from phenoloop.demo.scenes.tube import Tube

Painter = Callable[[Surface, Textures], Paint]


@dataclass(frozen=True, slots=True)
class Part:
    shape: Tube | Blob
    paint: Painter


@dataclass(frozen=True, slots=True)
class Specimen:
    """One vegetable, lying about the origin of its own frame (mm)."""

    label: str
    parts: tuple[Part, ...]
    """The body first."""

    def turned(self, angle: float) -> "Specimen":
        return replace(self, parts=tuple(replace(part, shape=part.shape.turned(angle)) for part in self.parts))

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in mm."""
        lefts, tops, rights, bottoms = zip(*(part.shape.bounds() for part in self.parts), strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)


def ends_dense(points: int) -> NDArray[np.float64]:
    """0..1, denser at both ends, where a round end curves most."""
    place: NDArray[np.float64] = (1 - np.cos(np.linspace(0, np.pi, points))) / 2
    return place


def wavy(place: NDArray[np.float64], rng: np.random.Generator, waves: tuple[float, ...]) -> NDArray[np.float64]:
    """A smooth random line over `place` (0..1), each wave half as high as the one before; about 1 high."""
    line = np.zeros_like(place)
    for index, wave in enumerate(waves):
        line += 0.5**index * np.sin(2 * np.pi * wave * rng.uniform(0.8, 1.25) * place + rng.uniform(0, 2 * np.pi))
    return line


def swept(*points: NDArray[Any], count: int = 14) -> NDArray[np.float64]:
    """A smooth line (count, 3) from the first of three points to the last: a quadratic Bezier curve."""
    start, pull, end = points
    t = np.linspace(0, 1, count)[:, None]
    line: NDArray[np.float64] = (1 - t) ** 2 * start + 2 * t * (1 - t) * pull + t**2 * end
    return line


def skin_of(shape: Tube | Blob, cell_mm: float = 0.2) -> Marks:
    """A canvas over the seen half of a shape's unrolled skin."""
    if isinstance(shape, Tube):
        half = float(np.pi / 2 * shape.radius.max())
        return Marks(0, -half, float(shape.run[-1]), half, cell_mm)
    half = float(np.pi / 2 * shape.reach)
    return Marks(-half, -half, half, half, cell_mm)


def green_stem(rng: np.random.Generator, srgb: tuple[int, int, int], *, dry: float = 0.0) -> Painter:
    """A painter of stems, sepals and leaf stubs: fibres along, paler ridges, brown where `dry` (0..1) says."""
    shift = rng.uniform(0, 100, 2)
    tone = linear(np.clip(np.array(srgb) * rng.uniform(0.85, 1.12), 0, 255))

    def paint(surface: Surface, textures: Textures) -> Paint:
        fibres = looked_up(textures.mottle, surface.skin_x * 0.15, surface.skin_y * 2, 14, shift)
        patches = looked_up(textures.cloud, surface.skin_x, surface.skin_y, 30, shift)
        dried = np.clip(dry + 0.25 * patches + 0.5 * dry * surface.along, 0, 1)
        albedo = (
            mixed(tone, linear((118, 92, 58)), dried) * np.clip(1 + 0.16 * fibres + 0.1 * patches, 0.4, 1.7)[..., None]
        )
        return Paint(albedo, 0.05 * fibres, roughness=0.3, gloss=0.6, translucency=0.25)

    return paint
