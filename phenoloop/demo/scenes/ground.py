"""The photographed rectangle of ground, and how light falls on it."""

from dataclasses import dataclass

import cv2
import numpy as np

from phenoloop.demo.scenes.light import Light, Reach
from phenoloop.demo.scenes.marks import Marks
from phenoloop.demo.scenes.noise import noise_plane
from phenoloop.demo.scenes.planes import Array, resized, slopes


@dataclass(frozen=True, slots=True)
class View:
    """The photographed rectangle."""

    width_px: int
    height_px: int
    mm_per_px: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.height_px, self.width_px

    @property
    def width_mm(self) -> float:
        return self.width_px * self.mm_per_px

    @property
    def height_mm(self) -> float:
        return self.height_px * self.mm_per_px

    def mesh(self) -> tuple[Array, Array]:
        """Columns x (1, w) and rows y (h, 1) in mm."""
        x, y = (np.arange(n, dtype=np.float32) * np.float32(self.mm_per_px) for n in (self.width_px, self.height_px))
        return x[None, :], y[:, None]

    def noise(self, rng: np.random.Generator, patch_mm: float, octaves: int) -> Array:
        """(h, w) noise with patches of about `patch_mm` and finer ones."""
        return noise_plane(rng, self.shape, patch_mm / self.mm_per_px, octaves)

    def marks(self) -> Marks:
        """A canvas of the photo's size."""
        return Marks(0, 0, self.width_mm, self.height_mm, self.mm_per_px)


@dataclass(frozen=True, slots=True)
class Ground:
    name: str
    albedo: Array
    """(h, w, 3) linear."""
    relief: Array
    """(h, w) mm over the plane that things rest on."""
    gloss: Array
    """(h, w) strength of the lamps' blurred reflection."""
    border_mm: tuple[float, float]
    """How far from the left and right, and from the top and bottom edges of the photo nothing may lie."""


def lit_ground(ground: Ground, light: Light, reach: Reach, mm_per_px: float) -> Array:
    """(h, w, 3) linear light that the ground sends to the camera."""
    dx, dy = slopes(ground.relief, mm_per_px)
    length = np.sqrt(1 + dx * dx + dy * dy)
    from_sky, from_lamps, glare = reach.sky * (0.5 + 0.5 / length), np.zeros_like(length), np.zeros_like(length)
    for lamp, reaching in zip(light.lamps, reach.lamps, strict=True):
        lx, ly, lz = (float(part) for part in lamp.towards)
        strength = np.maximum(lz - dx * lx - dy * ly, 0) / (length * lz) * reaching * np.float32(lamp.share)
        from_lamps += strength
        glare += _sheen(ground.relief.shape, lx, ly, lz) * strength
    kinds = np.stack([from_sky, from_lamps], -1).astype(np.float32, copy=False)
    arriving = cv2.transform(kinds, np.stack([light.sky_colour, light.lamp_colour], -1))
    colour: Array = ground.albedo * arriving.astype(np.float32, copy=False)
    colour += (glare * ground.gloss)[..., None] * light.lamp_colour
    return colour


def _sheen(shape: tuple[int, ...], lx: float, ly: float, lz: float) -> Array:
    """How bright a flat, dull mirror shows a lamp over the frame: a lens looks outward towards the edges."""
    y, x = np.mgrid[-0.32:0.32:60j, -0.42:0.42:80j]
    soft = np.exp(-((x - lx * 0.7) ** 2 + (y - ly * 0.7) ** 2) / 0.16) / lz
    return resized(soft, shape)
