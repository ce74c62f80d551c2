"""Shadows that things cast on each other and on the ground, found in the scene's height map."""

import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.light import Lamp, Light, Reach
from phenoloop.demo.scenes.planes import Array, blurred, resized, smoothstep

_CELL_PX = 3  # shadows are found on every third pixel


def reaches(
    heights: Array, things: NDArray[np.bool_], light: Light, mm_per_px: float, rng: np.random.Generator
) -> tuple[Reach, Reach]:
    """What light reaches the ground, and what the things, of a height map (h, w) in mm.

    Each is spread over the outline from its own side, for the map knows only one height at a place.
    """
    middle = slice(_CELL_PX // 2, None, _CELL_PX)
    coarse, on_things = np.ascontiguousarray(heights[middle, middle]), things[middle, middle]
    cell_mm = _CELL_PX * mm_per_px
    lamps = [_lamp_share(coarse, lamp, cell_mm, rng) for lamp in light.lamps]
    sky = _sky_share(coarse, cell_mm)
    ground, tops = (
        Reach(tuple(_spread_from(side, lamp, heights.shape) for lamp in lamps), _spread_from(side, sky, heights.shape))
        for side in (~on_things, on_things)
    )
    return ground, tops


def _lamp_share(heights: Array, lamp: Lamp, cell_mm: float, rng: np.random.Generator) -> Array:
    """(h, w) share of a lamp that each cell sees: the mean over points of the lamp, more of them the larger it is."""
    points = int(np.clip(90 * (lamp.half_across + lamp.half_upward), 5, 26))
    seen = np.zeros_like(heights)
    for across, upward in _evenly_spread(points, rng):
        ray = lamp.towards + lamp.across * lamp.half_across * across + lamp.upward * lamp.half_upward * upward
        seen += 1 - smoothstep(0.4, 2.4, _horizon(heights, ray, cell_mm) - heights)
    return seen / points


def _horizon(heights: Array, ray: NDArray[np.float64], cell_mm: float) -> Array:
    """Per cell the height below which what lies towards the ray hides it; doubling steps cover 128 cells."""
    flat, (height, width) = np.hypot(ray[0], ray[1]), heights.shape
    horizon, reached = heights - 1e3, heights
    for step in (1, 2, 4, 8, 16, 32, 64):
        dx, dy = round(float(ray[0] / flat * step)), round(float(ray[1] / flat * step))
        if abs(dx) >= width or abs(dy) >= height:
            break
        here = slice(max(-dy, 0), height - max(dy, 0)), slice(max(-dx, 0), width - max(dx, 0))
        there = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
        lowered = reached[there] - np.float32(ray[2] / flat * cell_mm * np.hypot(dx, dy))
        reached = reached.copy()
        for shade in (horizon, reached):
            np.maximum(shade[here], lowered, out=shade[here])
    return horizon


def _sky_share(heights: Array, cell_mm: float) -> Array:
    """(h, w) share of the sky that each cell sees: less the higher its surroundings rise above it."""
    share = np.ones_like(heights)
    for reach_mm, strength in ((3.0, 0.3), (9.0, 0.42), (26.0, 0.5)):
        around = blurred(heights, reach_mm / cell_mm)
        share *= 1 - strength * np.clip((around - heights) / (0.6 * reach_mm), 0, 1)
    return share


def _spread_from(known: NDArray[np.bool_], values: Array, shape: tuple[int, ...]) -> Array:
    """Coarse values at full size, smoothed, each the mean of the `known` ones near by."""
    weight = known.astype(np.float32)
    return resized(blurred(values * weight, 1.2) / np.maximum(blurred(weight, 1.2), 1e-4), shape)


def _evenly_spread(points: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (n, 2) in the square [-1, 1]: the R2 sequence (Roberts 2018), randomly shifted."""
    steps = np.arange(1, points + 1)[:, None] * np.array([0.7548776662, 0.5698402910])
    spread: NDArray[np.float64] = (steps + rng.random(2)) % 1 * 2 - 1
    return spread
