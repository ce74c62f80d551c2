"""Light, linear: what lamps and sky do to a skin.

Diffuse light wraps around skins that it passes through; the lamps themselves are mirrored, stronger towards the rim
(Fresnel, after Schlick 1994).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.planes import Array, slopes, smoothstep, unit
from phenoloop.demo.scenes.shapes import Surface

_RED_GOES_DEEPER = np.array([1.0, 0.45, 0.3], np.float32)
_HAZE = 0.3  # wax scatters some of the glare this much wider
_UP = np.array([0, 0, 1], np.float32)


@dataclass(frozen=True, slots=True)
class Lamp:
    """A glowing rectangle, far away. Its sides are sines of the angle under which half of them is seen."""

    towards: NDArray[np.float64]
    across: NDArray[np.float64]
    upward: NDArray[np.float64]
    half_across: float
    half_upward: float
    share: float
    """Of the lamps' light on open ground."""


@dataclass(frozen=True, slots=True)
class Light:
    """On open ground the lamps and the sky together give about 1."""

    lamps: tuple[Lamp, ...]
    lamp_colour: Array
    """(3,) of all lamps together on open ground."""
    sky_colour: Array


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of each lamp and of the sky reaches a place, 0..1; maps or packed pixels."""

    lamps: tuple[Array, ...]
    sky: Array


@dataclass(frozen=True, slots=True)
class Paint:
    """What a skin does with light, for the pixels of a surface."""

    albedo: Array
    """(n, 256, 3) linear."""
    bump: Array
    """(n, 256) mm."""
    roughness: float
    """Blur of reflections, as a sine."""
    gloss: Array | float = 1.0
    """Strength of reflections, 1 is bare wax or plastic."""
    translucency: float = 0.0


def draw_light(rng: np.random.Generator, *, outdoors: bool) -> Light:
    """Sun, a pair of tubes, or a window or softbox."""
    azimuth, tint = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.05)
    white, sky = np.array([1 + tint, 1, 1 - tint]), np.array([0.96, 1.0, 1.05])
    if outdoors and rng.random() < 0.6:
        lamps: tuple[Lamp, ...] = (_lamp(azimuth, rng.uniform(0.65, 1.15), 0.02, 0.02, 1.0),)
        key, sky = rng.uniform(0.66, 0.82), np.array([0.86, 0.97, 1.22])
    elif rng.random() < 0.5:
        turn, wide, key = rng.uniform(0.15, 0.4), rng.uniform(0.04, 0.09), rng.uniform(0.5, 0.7)
        near = _lamp(azimuth + turn, rng.uniform(0.8, 1.25), 0.55, wide, 0.6)
        lamps = (near, _lamp(azimuth + np.pi, rng.uniform(0.8, 1.25), 0.55, wide, 0.4))
    else:
        lamps = (_lamp(azimuth, rng.uniform(0.6, 1.1), rng.uniform(0.16, 0.3), rng.uniform(0.12, 0.2), 1.0),)
        key = rng.uniform(0.5, 0.72)
    return Light(lamps, (white * key).astype(np.float32), (sky * (1 - key)).astype(np.float32))


def lit(surface: Surface, paint: Paint, light: Light, reach: Reach, thrown_back: Array) -> Array:
    """(n, 256, 3) light that a skin sends to the camera; `thrown_back` (3,) comes from the ground around."""
    normal = _bumped(surface, paint.bump)
    nz = normal[..., 2]
    mirrored = 2 * nz[..., None] * normal - _UP
    sky_seen = smoothstep(-0.35, 0.55, mirrored[..., 2])
    arriving = ((0.5 + 0.5 * nz) * reach.sky)[..., None] * light.sky_colour
    arriving += ((0.5 - 0.5 * nz) * (0.3 + 0.7 * reach.sky))[..., None] * thrown_back
    shine = (sky_seen * reach.sky)[..., None] * light.sky_colour
    shine += ((1 - sky_seen) * 0.35 * reach.sky)[..., None] * thrown_back
    wrap = np.float32(0.45 * paint.translucency) * _RED_GOES_DEEPER
    for lamp, reaching in zip(light.lamps, reach.lamps, strict=True):
        strength = (np.float32(lamp.share / lamp.towards[2]) * reaching)[..., None] * light.lamp_colour
        facing = normal @ lamp.towards.astype(np.float32)
        arriving += np.clip((facing[..., None] + wrap) / (1 + wrap), 0, 1) * strength
        glare = 0.75 * _glare(mirrored, lamp, paint.roughness) + 0.25 * _glare(mirrored, lamp, paint.roughness + _HAZE)
        shine += glare[..., None] * strength
    fresnel = 0.04 + 0.45 * np.clip(1 - nz, 0, 1) ** 5
    colour: Array = paint.albedo * arriving + (fresnel * paint.gloss)[..., None] * shine
    return colour


def _lamp(azimuth: float, elevation: float, half_across: float, half_upward: float, share: float) -> Lamp:
    flat = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    towards = flat * np.cos(elevation) + np.array([0, 0, np.sin(elevation)])
    across = np.array([-flat[1], flat[0], 0])
    return Lamp(towards, across, np.cross(towards, across), half_across, half_upward, share)


def _bumped(surface: Surface, bump: Array) -> Array:
    """The surface's normals tilted by the small relief of its skin."""
    relief = slopes(surface.spread(bump), surface.patch.mm_per_px)
    weight = np.clip(surface.normal[..., 2], 0, 1)  # relief seen edge-on would blow up
    normal = surface.normal.copy()
    for axis, slope in enumerate(relief):
        normal[..., axis] -= np.clip(surface.gathered(slope), -2, 2) * weight
    return unit(normal)


def _glare(mirrored: Array, lamp: Lamp, roughness: float) -> Array:
    """Radiance of a lamp seen in the skin, for a lamp that gives 1 on ground that faces it."""
    seen = smoothstep(0, 0.3, mirrored @ lamp.towards.astype(np.float32))
    for axis, half in ((lamp.across, lamp.half_across), (lamp.upward, lamp.half_upward)):
        away = np.abs(mirrored @ axis.astype(np.float32))
        seen *= smoothstep(half + roughness, max(half - roughness, -0.2 * roughness), away)
    solid_angle = 4 * (lamp.half_across + 0.4 * roughness) * (lamp.half_upward + 0.4 * roughness)
    return seen * np.float32(np.pi / solid_angle)
