"""What the camera, straight above, meets of a solid shape, pixel by pixel.

Frame: x to the right, y down, z up to the camera, millimetres. The view is parallel (a telecentric lens).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.planes import Array, resized

_ROW = 256
_FINE_POINTS = 30_000  # a patch with more pixels than this is traced on every other one


@dataclass(frozen=True, slots=True)
class Patch:
    """A window of pixels over the object's frame; its corner is in mm, its sides are even."""

    left_mm: float
    top_mm: float
    width_px: int
    height_px: int
    mm_per_px: float

    @property
    def step(self) -> int:
        """Pixels between traced points."""
        return 2 if self.width_px * self.height_px > _FINE_POINTS else 1

    def mesh(self) -> tuple[Array, Array]:
        """Traced points: x and y (h / step, w / step) in mm."""
        pitch = self.step * self.mm_per_px
        x = self.left_mm + (np.arange(self.width_px // self.step) + 0.5) * pitch
        y = self.top_mm + (np.arange(self.height_px // self.step) + 0.5) * pitch
        wide, tall = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        return wide, tall


@dataclass(frozen=True, slots=True)
class Surface:
    """The seen side of a shape: one value for each pixel that it touches, packed in (n, 256) blocks, lengths in mm."""

    patch: Patch
    pixels: NDArray[np.intp]
    """Flat index into the patch. The last one is repeated to fill the block."""
    cover: Array
    """Share of the pixel that the shape covers."""
    top: Array
    bottom: Array
    normal: Array
    """(n, 256, 3), unit."""
    along: Array
    """0 at the stem end, 1 at the far end."""
    around: Array
    """Angle about the axis in radians."""
    skin_x: Array
    """Skin coordinates: steps of equal length on the skin itself, so that texture foreshortens."""
    skin_y: Array

    def spread(self, values: Array, empty: float = 0.0) -> Array:
        """Values of the touched pixels as a map (h, w) or (h, w, c) of the whole patch."""
        channels = values.shape[2:]
        out = np.full((self.patch.height_px * self.patch.width_px, *channels), empty, np.float32)
        out[self.pixels.ravel()] = values.reshape(-1, *channels)
        return out.reshape(self.patch.height_px, self.patch.width_px, *channels)

    def gathered(self, over_patch: Array) -> Array:
        """The touched pixels of a map of the patch, (h, w) or (h, w, c), packed as this surface's values are."""
        values: Array = over_patch.reshape(-1, *over_patch.shape[2:])[self.pixels]
        return values


def touched(outside_mm: Array, maps: Array, patch: Patch) -> tuple[NDArray[np.intp], Array, list[Array]]:
    """The pixels that a shape touches, the share of each that it covers, and the values there of maps (h, w, n).

    `outside_mm` (h, w) is the distance to the outline, negative inside. All are traced on the patch's mesh.
    """
    shape = (patch.height_px, patch.width_px)
    edge = resized(outside_mm, shape).ravel() / np.float32(patch.mm_per_px)
    found = np.flatnonzero(edge < 0.5)
    packed = np.pad(found, (0, -len(found) % _ROW), mode="edge") if len(found) else found
    pixels: NDArray[np.intp] = packed.reshape(-1, _ROW)
    planes = (resized(maps[..., index], shape).ravel() for index in range(maps.shape[-1]))
    return pixels, np.clip(0.5 - edge[pixels], 0, 1), [plane[pixels] for plane in planes]


def turn_about_z(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def leaning(tilt: float, spin: float) -> NDArray[np.float64]:
    """Body to object (3, 3): spun about its own axis, then the stem tilted from straight up towards +x."""
    c, s = np.cos(tilt), np.sin(tilt)
    lean: NDArray[Any] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    pose: NDArray[np.float64] = lean @ turn_about_z(spin)
    return pose
