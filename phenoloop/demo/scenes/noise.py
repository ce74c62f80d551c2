"""Natural irregularity: noise tiles that wrap, looked up by millimetre, and noise of the photo's size."""

from dataclasses import dataclass

import cv2
import numpy as np

from phenoloop.demo.scenes.planes import Array, resized, sampled

_TILE = 512


@dataclass(frozen=True, slots=True)
class Textures:
    """Three kinds of noise, each of mean 0 and standard deviation 1."""

    cloud: Array
    """Soft, large patches."""
    mottle: Array
    """Patches within patches."""
    grit: Array
    """Nearly every grain for itself."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Textures":
        return cls(fractal_tile(rng, 1.9), fractal_tile(rng, 1.15), fractal_tile(rng, 0.35))


def fractal_tile(rng: np.random.Generator, slope: float) -> Array:
    """(512, 512) float32 noise that wraps; its amplitude falls with frequency as f**-slope."""
    spectrum = np.fft.rfft2(rng.standard_normal((_TILE, _TILE), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :])
    frequency[0, 0] = np.inf
    tile = np.fft.irfft2(spectrum * frequency**-slope, s=(_TILE, _TILE))
    scaled: Array = (tile / tile.std()).astype(np.float32)
    return scaled


def looked_up(tile: Array, x_mm: Array, y_mm: Array, span_mm: float, shift_mm: Array) -> Array:
    """The tile laid over the plane so that it repeats every `span_mm`; its patches are about a quarter of that."""
    cells = np.float32(tile.shape[0] / span_mm)
    x, y = (x_mm + np.float32(shift_mm[0])) * cells, (y_mm + np.float32(shift_mm[1])) * cells
    found: Array = sampled(tile, x, y, beyond=cv2.BORDER_WRAP)
    return found


def noise_plane(rng: np.random.Generator, shape: tuple[int, int], patch_px: float, octaves: int) -> Array:
    """(h, w) noise, mean 0 and deviation about 1, with patches of about `patch_px` and of half, a quarter, ..."""
    plane = np.zeros(shape, np.float32)
    variance = 0.0
    for octave in range(octaves):
        cell_px, weight = patch_px / 2**octave, 0.62**octave
        if octave and cell_px < 1:
            break
        size = [max(int(side / max(cell_px, 1)) + 3, 3) for side in shape]
        plane += np.float32(weight) * resized(rng.standard_normal(size, dtype=np.float32), shape, smooth=True)
        variance += weight**2 * 0.55  # of normal cells, once interpolated
    return plane / np.float32(np.sqrt(variance))
