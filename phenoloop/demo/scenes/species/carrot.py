"""Carrot: tapered root with cross rings, a crown with cut leaf stalks, a thin tail."""

import numpy as np

from phenoloop.demo.scenes.light import Paint
from phenoloop.demo.scenes.marks import Marks
from phenoloop.demo.scenes.noise import Textures, looked_up
from phenoloop.demo.scenes.planes import Array, linear, mixed, smoothstep
from phenoloop.demo.scenes.shapes import Surface
from phenoloop.demo.scenes.species.parts import Painter, Part, Specimen, ends_dense, green_stem, skin_of, swept, wavy
from phenoloop.demo.scenes.tube import Tube


def carrot(rng: np.random.Generator) -> Specimen:
    root = _root(rng, length=rng.uniform(105, 205), radius=rng.uniform(12, 19.5))
    orange = linear(np.array([224, 112, 28]) + rng.normal(0, 1, 3) * [9, 13, 10])
    washed = rng.random() < 0.7
    parts = [Part(root, _skin(rng, root, orange, dirt=0.0 if washed else rng.uniform(0.4, 1.0)))]
    if rng.random() < 0.75:
        tail = _tail(rng, root)
        parts.append(Part(tail, _skin(rng, tail, orange, dirt=0.5)))
    parts += [Part(stub, green_stem(rng, (112, 128, 58), dry=rng.uniform(0.1, 0.75))) for stub in _stubs(rng, root)]
    return Specimen("carrot", tuple(parts))


def _root(rng: np.random.Generator, length: float, radius: float) -> Tube:
    t = ends_dense(44)
    taper, fullness = rng.uniform(0.25, 0.75), rng.uniform(0.7, 1.5)
    shoulder, tip = 0.75 * radius / length, rng.uniform(0.9, 2.6) * radius / length
    profile = (1 - taper * t**fullness) * (1 + 0.035 * wavy(t, rng, (2, 4, 9)))
    profile *= (1 - np.clip(1 - t / shoulder, 0, 1) ** 2.6) ** 0.5
    profile *= (1 - np.clip(1 - (1 - t) / tip, 0, 1) ** 2.2) ** 0.62
    bend = rng.normal(0, 0.035) * length
    y = bend * (4 * (t - 0.5) ** 2 - 0.5) + 0.016 * length * wavy(t, rng, (0.7, 1.4))
    spine = np.stack([length * (t - 0.5), y, np.zeros_like(t)], -1)
    return Tube(spine, np.maximum(profile * radius, 0.02), roll=rng.uniform(0, 6))


def _tail(rng: np.random.Generator, root: Tube) -> Tube:
    tip, before = root.spine[-2], root.spine[-7]
    ahead = (tip - before) / np.linalg.norm(tip - before)
    length = rng.uniform(8, 34)
    sideways = np.array([-ahead[1], ahead[0], 0]) * rng.normal(0, 0.35) * length
    line = swept(tip - ahead * 3, tip + ahead * length * 0.5, tip + ahead * length + sideways)
    return Tube(line, np.linspace(1.6, 0.35, len(line)).astype(np.float64))


def _stubs(rng: np.random.Generator, root: Tube) -> list[Tube]:
    """Leaf stalks cut short, fanned out from the crown."""
    crown, back = root.spine[1], root.spine[1] - root.spine[6]
    back /= np.linalg.norm(back)
    side, up = np.array([-back[1], back[0], 0]), np.array([0, 0, 1])
    stubs = []
    for _ in range(rng.integers(3, 9)):
        spread, lift, length = rng.uniform(-1, 1), rng.uniform(-0.2, 0.8), rng.uniform(3, 14) * rng.uniform(0.5, 1)
        foot = crown - back * 2.5 + side * spread * 3.5 + up * lift * 3
        end = foot + back * (length + 3) + (side * spread + up * lift) * length * 0.4
        line = swept(foot, (foot + end) / 2 + side * spread, end, count=8)
        stubs.append(Tube(line, rng.uniform(1.2, 2.2) * np.array([1.3, 1.2, 1.1, 1, 1, 0.97, 0.92, 0.55])))
    return stubs


def _skin(rng: np.random.Generator, root: Tube, orange: Array, dirt: float) -> Painter:
    shift, dirt_shift = rng.uniform(0, 400, (2, 2))
    crown_brown, crown_mm, roughness = rng.uniform(0.2, 0.95), rng.uniform(3, 9), rng.uniform(0.24, 0.42)
    scars, grooves = _rings(rng, root, int(rng.integers(20, 110))), _rings(rng, root, int(rng.integers(10, 50)))

    def paint(surface: Surface, textures: Textures) -> Paint:
        x, y = surface.skin_x, surface.skin_y
        broad = looked_up(textures.cloud, x, y, 110, shift)
        fine = looked_up(textures.mottle, x * 1.5, y, 22, shift)
        grit = looked_up(textures.grit, x, y, 90, shift)
        scar, groove = scars.at(x, y), grooves.at(x, y)
        albedo = orange * np.clip(1 + 0.10 * broad + 0.07 * fine, 0.4, 1.6)[..., None]
        albedo = mixed(albedo, linear((238, 172, 104)), np.clip(0.5 * scar + 0.05 + 0.05 * fine, 0, 0.75))
        albedo *= (1 - 0.35 * groove)[..., None]
        albedo = mixed(
            albedo, linear((104, 92, 44)), smoothstep(crown_mm, crown_mm * 0.2, x + 1.5 * fine) * crown_brown
        )
        soiled = smoothstep(0.1, 1.5, looked_up(textures.mottle, x, y, 70, dirt_shift) + 1.5 * groove) * dirt
        albedo = mixed(albedo, linear((98, 72, 48)) * (1 + 0.2 * grit[..., None]), np.clip(soiled * 0.8, 0, 0.85))
        bump = 0.05 * fine - 0.22 * groove + 0.06 * scar + 0.012 * grit
        return Paint(albedo, bump, roughness, gloss=np.clip(0.55 + 0.25 * fine - soiled, 0.05, 1), translucency=0.35)

    return paint


def _rings(rng: np.random.Generator, root: Tube, count: int) -> Marks:
    """Short lines across the root, each over a part of the way around."""
    skin = skin_of(root)
    half = skin.high_mm[1]
    for x, y in skin.places(rng, count):
        across = np.linspace(0, rng.gamma(2.0, 0.22) * half, 9)
        slant = rng.normal(0, 0.06) * across + 0.35 * rng.normal(0, 0.25, 9).cumsum()
        skin.line(np.stack([x + slant, y + across], -1), 0.45 * rng.uniform(0.6, 1.4), rng.uniform(0.3, 1))
    return skin.softened(0.16)
