"""What the vegetables lie on: soil, a plastic or a metal tray, a conveyor belt."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from phenoloop.demo.scenes.ground import Ground, View
from phenoloop.demo.scenes.planes import Array, blurred, linear, mixed, smoothstep
from phenoloop.demo.scenes.wear import brushed, clods, dust, scratches, straw

_PLASTICS = ((48, 84, 138), (212, 212, 206), (146, 148, 150), (44, 46, 48), (52, 110, 74), (196, 190, 172))
_BELTS = ((46, 80, 64), (42, 72, 112), (206, 206, 200), (48, 49, 50), (60, 64, 62))


def draw_ground(rng: np.random.Generator, view: View) -> Ground:
    name = str(rng.choice(list(BACKGROUNDS)))
    return BACKGROUNDS[name](rng, view)


def _soil(rng: np.random.Generator, view: View) -> Ground:
    heap, crumbs, grit = view.noise(rng, 90, 5), view.noise(rng, 9, 4), view.noise(rng, 1.8, 3)
    lumps, stones = clods(rng, view, rng.uniform(0.5, 1.6))
    moist = np.clip(0.5 + 0.5 * view.noise(rng, 160, 3), 0, 1)
    tone = linear(np.array([112, 84, 60]) * rng.uniform(0.62, 1.12) + rng.normal(0, 4, 3))
    shade = np.clip(0.8 + 0.10 * heap + 0.16 * crumbs + 0.14 * grit + 0.05 * lumps, 0.25, 1.8) * (1.15 - 0.5 * moist)
    stone = linear((150, 140, 126)) * np.clip(0.8 + 0.2 * grit, 0.3, 1.4)[..., None]
    stalks = straw(rng, view)
    albedo = mixed(tone * shade[..., None], stone, 0.75 * smoothstep(0.02, 0.3, stones))
    albedo = mixed(albedo, linear((196, 168, 112)), stalks)
    relief = blurred(1.6 * heap + 0.9 * crumbs + lumps + 0.22 * grit + 0.8 * stalks, max(0.25 / view.mm_per_px, 0.5))
    return Ground("soil", albedo, relief, 0.015 * moist, (8, 8))


def _plastic_tray(rng: np.random.Generator, view: View) -> Ground:
    tone = linear(np.array(_PLASTICS[rng.integers(len(_PLASTICS))]) * rng.uniform(0.9, 1.08))
    grain, cloudy = view.noise(rng, 1.8, 2), view.noise(rng, 140, 4)
    wall, beyond, border = _wall(rng, view)
    ribs = _ribs(rng, view) * (wall < 1)
    dusty = dust(rng, view)
    albedo = tone * np.clip(1 + 0.035 * cloudy + 0.02 * grain, 0.6, 1.4)[..., None]
    albedo = mixed(albedo, 0.5 * albedo + np.float32(0.25), 0.35 * scratches(rng, view, int(rng.integers(10, 120))))
    albedo = mixed(mixed(albedo, linear((120, 100, 78)), dusty), _table(rng, view), beyond)
    gloss = 0.045 * np.clip(1 + 0.25 * grain + 0.2 * cloudy, 0, 2) * (1 - dusty) * (1 - beyond)
    return Ground("plastic tray", albedo, wall + ribs + 0.03 * grain, gloss, border)


def _metal_tray(rng: np.random.Generator, view: View) -> Ground:
    tone = linear((168, 170, 172)) * np.float32(rng.uniform(0.7, 1.1))
    lines, cloudy, blots = (
        brushed(rng, view, along_x=rng.random() < 0.5),
        view.noise(rng, 180, 4),
        view.noise(rng, 60, 5),
    )
    wall, beyond, border = _wall(rng, view)
    dusty, scratched = dust(rng, view), scratches(rng, view, int(rng.integers(30, 160)))
    stains = 0.10 * smoothstep(0.9, 1.3, blots) - 0.07 * smoothstep(1.2, 1.25, blots)  # dried drops, paler inside
    albedo = tone * np.clip(1 + 0.05 * lines + 0.04 * cloudy - stains + 0.14 * scratched, 0.5, 1.5)[..., None]
    albedo = mixed(mixed(albedo, linear((112, 96, 80)), dusty), _table(rng, view), beyond)
    gloss = 0.2 * np.clip(1 + 0.16 * lines + 0.14 * cloudy - 2 * stains, 0, 2) * (1 - dusty) * (1 - beyond)
    return Ground("metal tray", albedo, wall, gloss, border)


def _conveyor(rng: np.random.Generator, view: View) -> Ground:
    tone = linear(np.array(_BELTS[rng.integers(len(_BELTS))]) * rng.uniform(0.9, 1.08))
    x, y = view.mesh()
    weave, streaks, worn = view.noise(rng, 1.4, 2), brushed(rng, view, along_x=True), view.noise(rng, 120, 5)
    rail_mm = rng.uniform(0.05, 0.085) * view.height_mm
    to_rail = np.minimum(y, np.float32(view.height_mm) - y) - np.float32(rail_mm) + 0 * x
    belt, rail = smoothstep(0, 1.5, to_rail), smoothstep(-2.5, -5.5, to_rail)
    lip = np.exp(-(((to_rail + 8) / 2.5) ** 2))
    relief = belt * (_tread(rng, x, y) + 0.05 * weave) - 4 * (1 - belt) * (1 - rail) + 16 * rail + 2.5 * lip
    seam = _seam(rng, view, x, y)
    albedo = tone * np.clip(1 + 0.05 * streaks + 0.04 * worn + 0.05 * weave - 0.35 * seam, 0.3, 1.5)[..., None]
    metal = linear((176, 178, 180)) * np.clip(0.9 + 0.05 * streaks, 0.5, 1.3)[..., None]
    albedo = mixed(linear((20, 20, 20)), mixed(albedo, linear((118, 98, 78)), dust(rng, view)), belt)
    return Ground("conveyor belt", mixed(albedo, metal, rail), relief, 0.02 + 0.13 * rail, (6, rail_mm + 6))


BACKGROUNDS: Mapping[str, Callable[[np.random.Generator, View], Ground]] = MappingProxyType(
    {"soil": _soil, "plastic tray": _plastic_tray, "metal tray": _metal_tray, "conveyor belt": _conveyor}
)


def _wall(rng: np.random.Generator, view: View) -> tuple[Array, Array, tuple[float, float]]:
    """The wall around a tray as relief, what shows of the table beyond it (0..1), and the border that they take."""
    if rng.random() < 0.3:  # the photo shows the floor only
        return np.zeros(view.shape, np.float32), np.zeros(view.shape, np.float32), (4.0, 4.0)
    x, y = view.mesh()
    inset, corner = rng.uniform(0.04, 0.073) * min(view.width_mm, view.height_mm), rng.uniform(12, 40)
    shift_x, shift_y = (float(shift) for shift in rng.normal(0, 0.25, 2) * inset)
    from_x = np.abs(x - (view.width_mm / 2 + shift_x)) - (view.width_mm / 2 - inset - corner)
    from_y = np.abs(y - (view.height_mm / 2 + shift_y)) - (view.height_mm / 2 - inset - corner)
    outside = np.hypot(np.maximum(from_x, 0), np.maximum(from_y, 0)) + np.minimum(np.maximum(from_x, from_y), 0)
    outside -= np.float32(corner)
    wide, tall, flange = rng.uniform(5, 11), rng.uniform(16, 34), rng.uniform(6, 14)
    lip = 1.8 * np.exp(-(((outside - (wide + flange * 0.7)) / 2.0) ** 2))
    beyond = smoothstep(wide + flange, wide + flange + 1.0, outside)
    border = inset * 1.3 + 4
    return (tall * smoothstep(-3, wide, outside) + lip) * (1 - beyond), beyond, (border, border)


def _table(rng: np.random.Generator, view: View) -> Array:
    """(h, w, 3) linear: what a tray stands on, worn wood or concrete."""
    wood = rng.random() < 0.5
    tone = linear((136, 104, 74) if wood else (118, 118, 114)) * np.float32(rng.uniform(0.5, 1.1))
    grain = brushed(rng, view, along_x=True) if wood else view.noise(rng, 3, 3)
    table: Array = tone * np.clip(1 + 0.2 * grain + 0.15 * view.noise(rng, 90, 4), 0.3, 1.7)[..., None]
    return table


def _ribs(rng: np.random.Generator, view: View) -> Array:
    """Raised lines one way, both ways or none, in mm."""
    x, y = view.mesh()
    pitch, wide, tall = rng.uniform(22, 45), rng.uniform(1.6, 3.2), rng.uniform(0.5, 1.3)
    one_way, other_way = (
        smoothstep(wide, wide * 0.4, np.abs((place + pitch / 3) % pitch - pitch / 2)) for place in (x, y)
    )
    kind = rng.random()
    ribs: Array = tall * np.maximum(one_way * (kind < 0.5), other_way * (kind < 0.25))
    return ribs


def _tread(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Relief of a belt in mm: diamonds or fine ribs."""
    pitch = rng.uniform(5, 9)
    if rng.random() < 0.6:
        tread: Array = 0.3 * np.cos(2 * np.pi / pitch * (x + y)) * np.cos(2 * np.pi / pitch * (x - y))
    else:
        tread = 0.12 * np.cos(2 * np.pi / 2.6 * x) * np.ones_like(y)
    return tread


def _seam(rng: np.random.Generator, view: View, x: Array, y: Array) -> Array:
    """Where the belt was joined, if the photo shows it: a slanting line, 0..1."""
    place = rng.uniform(0, view.width_mm) if rng.random() < 0.4 else -1e3
    seam: Array = np.exp(-(((x - place - 0.25 * (y - view.height_mm / 2)) / 0.7) ** 2))
    return seam
