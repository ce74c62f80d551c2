"""Potato: a lumpy tuber with eyes, lenticels, netted skin and the soil that clings to it."""

import numpy as np

from phenoloop.demo.scenes.blob import Blob
from phenoloop.demo.scenes.light import Paint
from phenoloop.demo.scenes.marks import Marks
from phenoloop.demo.scenes.noise import Textures, looked_up
from phenoloop.demo.scenes.planes import Array, linear, mixed, smoothstep
from phenoloop.demo.scenes.shapes import Surface, leaning
from phenoloop.demo.scenes.species.parts import Painter, Part, Specimen, skin_of

_SKINS = {"yellow": (198, 166, 114), "white": (206, 182, 142), "russet": (158, 116, 74), "red": (150, 84, 74)}
_SHARES = (0.4, 0.2, 0.25, 0.15)
_NETTING = {"yellow": 0.45, "white": 0.45, "russet": 1.0, "red": 0.25}


def potato(rng: np.random.Generator) -> Specimen:
    tuber = _tuber(rng)
    return Specimen("potato", (Part(tuber, _skin(rng, tuber)),))


def _tuber(rng: np.random.Generator) -> Blob:
    """Radius by direction: an ellipsoid, lying flat, with a few broad lumps."""
    long = rng.uniform(30, 54)
    wide = min(rng.uniform(22, 31), long * 0.92)
    thick = wide * rng.uniform(0.72, 0.95)
    waves = rng.normal(0, 1, (7, 3)) * np.repeat([1.6, 2.6, 4.2], [3, 2, 2])[:, None]
    phases, heights = rng.uniform(0, 6, 7), rng.uniform(0.3, 1, 7) * np.repeat([0.055, 0.032, 0.013], [3, 2, 2])

    def radius(x: Array, y: Array, z: Array) -> Array:
        lumps = np.ones_like(x)
        for wave, phase, height in zip(waves.tolist(), phases.tolist(), heights.tolist(), strict=True):
            lumps += height * np.sin(wave[0] * x + wave[1] * y + wave[2] * z + phase)
        out: Array = lumps / np.sqrt((x / wide) ** 2 + (y / thick) ** 2 + (z / long) ** 2)
        return out

    on_its_side = leaning(rng.uniform(1.35, 1.8), rng.choice([0.5, 1.5]) * np.pi + rng.normal(0, 0.3))
    return Blob.posed(radius, on_its_side)


def _skin(rng: np.random.Generator, tuber: Blob) -> Painter:
    name = str(rng.choice(list(_SKINS), p=_SHARES))
    base = linear(np.array(_SKINS[name]) * rng.uniform(0.78, 1.0) + rng.normal(0, 3, 3))
    netting, roughness = _NETTING[name] * rng.uniform(0.6, 1.2), rng.uniform(0.38, 0.55)
    dirt = rng.uniform(0.5, 1.1) if rng.random() < 0.35 else rng.uniform(0.05, 0.45)
    blush = rng.uniform(0.1, 0.4) if name in ("yellow", "white") and rng.random() < 0.25 else 0.0
    shift, soil_shift = rng.uniform(0, 300, (2, 2))
    brows, pits = _eyes(rng, tuber)
    pores, scabs = _pores(rng, tuber), _scabs(rng, tuber)

    def paint(surface: Surface, textures: Textures) -> Paint:
        x, y = surface.skin_x, surface.skin_y
        broad = looked_up(textures.cloud, x, y, 90, shift)
        fine = looked_up(textures.mottle, x, y, 36, shift)
        grit = looked_up(textures.grit, x, y, 110, shift)
        net = netting * (1 - np.clip(np.abs(looked_up(textures.cloud, x, y, 9, shift)) * 1.6, 0, 1))
        brow, pit, pore, scab = (marks.at(x, y) for marks in (brows, pits, pores, scabs))
        albedo = base * np.clip(1 + 0.10 * broad + 0.07 * fine + 0.05 * grit - 0.16 * net, 0.3, 1.6)[..., None]
        albedo = mixed(albedo, linear((168, 96, 84)), blush * smoothstep(0.2, 1.6, broad))
        corky = np.clip(0.55 * pore + 0.75 * scab * (0.7 + 0.3 * fine), 0, 1)
        albedo = mixed(albedo, base * linear((150, 122, 96)) * 2.2, corky) * (1 - 0.5 * brow - 0.28 * pit)[..., None]
        soil = looked_up(textures.mottle, x, y, 80, soil_shift) + 0.9 * pit + 0.2 * grit
        soiled = np.clip(smoothstep(1.9 - 1.5 * dirt, 3.1 - 1.2 * dirt, soil) * 0.9 + 0.1 * dirt, 0, 0.92)
        albedo = mixed(albedo, linear((92, 70, 50)) * (1 + 0.25 * grit[..., None]), soiled)
        bump = 0.14 * broad + 0.05 * fine + 0.02 * grit + 0.05 * net - 0.9 * pit - 0.5 * brow + 0.08 * pore
        bump += 0.15 * soiled * (1 + 0.5 * grit)
        gloss = np.clip(0.5 - 0.3 * netting + 0.15 * fine - soiled, 0.02, 1)
        return Paint(albedo, bump, roughness, gloss, translucency=0.15)

    return paint


def _eyes(rng: np.random.Generator, tuber: Blob) -> tuple[Marks, Marks]:
    """Eyes: a curved brow over a shallow pit."""
    brows, pits = skin_of(tuber), skin_of(tuber)
    bow = np.linspace(-1, 1, 11)
    for place in brows.places(rng, int(rng.integers(3, 9))) * 0.8:
        turn, wide = rng.uniform(0, 6), rng.uniform(1.6, 4.2)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        line = place + np.stack([bow * wide, -0.45 * wide * (1 - bow**2)], -1) @ rotation
        brows.line(line, rng.uniform(0.4, 0.8), rng.uniform(0.5, 1))
        brows.dot(place, rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.9))
        pits.dot(place, wide * 0.55, rng.uniform(0.5, 1), stretch=1.5, turn=turn)
    return brows.softened(0.35), pits.softened(1.2)


def _pores(rng: np.random.Generator, tuber: Blob) -> Marks:
    pores = skin_of(tuber)
    for place in pores.places(rng, int(rng.integers(60, 200))):
        pores.dot(place, rng.uniform(0.2, 0.55), rng.uniform(0.4, 1), rng.uniform(1, 1.8), rng.uniform(0, 3))
    return pores.softened(0.15)


def _scabs(rng: np.random.Generator, tuber: Blob) -> Marks:
    """Groups of corky spots."""
    scabs = skin_of(tuber)
    for place in scabs.places(rng, int(rng.integers(0, 9))):
        for spot in place + rng.normal(0, 2.2, (rng.integers(2, 9), 2)):
            scabs.dot(spot, rng.uniform(0.4, 1.6), rng.uniform(0.3, 1), 1.4, rng.uniform(0, 3))
    return scabs.softened(0.4)
