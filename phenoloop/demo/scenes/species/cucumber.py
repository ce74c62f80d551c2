"""Cucumber: a long body with a neck, warts, ridges, and pale stripes that run up from the blossom end."""

import numpy as np

from phenoloop.demo.scenes.light import Paint
from phenoloop.demo.scenes.marks import Marks, wandering
from phenoloop.demo.scenes.noise import Textures, looked_up
from phenoloop.demo.scenes.planes import linear, mixed, smoothstep
from phenoloop.demo.scenes.shapes import Surface
from phenoloop.demo.scenes.species.parts import Painter, Part, Specimen, ends_dense, green_stem, skin_of, swept, wavy
from phenoloop.demo.scenes.tube import Tube


def cucumber(rng: np.random.Generator) -> Specimen:
    small = rng.random() < 0.35
    length = rng.uniform(95, 150) if small else rng.uniform(190, 300)
    body = _body(rng, length, radius=rng.uniform(14, 18) if small else rng.uniform(18, 25))
    stem = Part(_stem(rng, body), green_stem(rng, (112, 130, 66), dry=rng.uniform(0.2, 0.8)))
    return Specimen("cucumber", (Part(body, _skin(rng, body, warty=small or rng.random() < 0.4)), stem))


def _body(rng: np.random.Generator, length: float, radius: float) -> Tube:
    t = ends_dense(48)
    neck = rng.uniform(0.1, 0.34)
    profile = 1 - neck * np.exp(-((t / 0.16) ** 2)) + 0.03 * wavy(t, rng, (1, 2.5, 6)) + 0.05 * np.sin(np.pi * t)
    stem_end, tip = rng.uniform(0.7, 1.1) * radius / length, rng.uniform(1.3, 2.6) * radius / length
    profile *= (1 - np.clip(1 - t / stem_end, 0, 1) ** 2.1) ** 0.55
    profile *= (1 - np.clip(1 - (1 - t) / tip, 0, 1) ** 2.2) ** 0.52
    bend = rng.normal(0, 0.05) * length
    y = bend * (4 * (t - 0.5) ** 2 - 0.5) + 0.01 * length * wavy(t, rng, (0.8, 1.5))
    spine = np.stack([length * (t - 0.5), y, np.zeros_like(t)], -1)
    return Tube(spine, np.maximum(profile * radius, 0.02), roll=rng.uniform(0, 6))


def _stem(rng: np.random.Generator, body: Tube) -> Tube:
    foot, back = body.spine[1], body.spine[1] - body.spine[7]
    back /= np.linalg.norm(back)
    length = rng.uniform(3, 16)
    side = np.array([-back[1], back[0], 0]) * rng.normal(0, 0.25) * length
    line = swept(foot - back * 3, foot + back * length * 0.5, foot + back * length + side, count=9)
    return Tube(line, rng.uniform(2.4, 3.6) * np.array([1.7, 1.35, 1.1, 1, 0.95, 0.95, 1, 1, 0.6]))


def _skin(rng: np.random.Generator, body: Tube, *, warty: bool) -> Painter:
    green = linear(np.array([46, 68, 30]) * rng.uniform(0.8, 1.3) + rng.normal(0, 1, 3) * [5, 2, 2])
    pale = linear(np.array([128, 140, 74]) + rng.normal(0, 6, 3))
    shift, stripes, stripe_reach = rng.uniform(0, 300, 2), int(rng.integers(8, 13)), rng.uniform(0.15, 0.65)
    stripe_strength, ridge, roughness = rng.uniform(0.3, 0.85), rng.uniform(0.08, 0.3), rng.uniform(0.13, 0.24)
    belly_at, belly = rng.uniform(-0.5, 2.5), rng.uniform(0, 0.5)
    warts = _warts(rng, body, int(rng.integers(60, 140)) if warty else int(rng.integers(0, 30)))
    scratches = _scratches(rng, body)

    def paint(surface: Surface, textures: Textures) -> Paint:
        x, y = surface.skin_x, surface.skin_y
        broad = looked_up(textures.cloud, x, y, 140, shift)
        fine = looked_up(textures.mottle, x * 0.3, y, 20, shift)
        grit = looked_up(textures.grit, x, y, 100, shift)
        streaks = smoothstep(0.2, 2.4, looked_up(textures.mottle, x * 0.2, y, 40, shift))
        wave = np.cos(stripes * (surface.around + 0.06 * broad))
        stripe = smoothstep(0.45, 1.25, wave + 0.2 * fine) * smoothstep(
            1 - stripe_reach, 1.05, surface.along + 0.06 * fine
        )
        wart = warts.at(x, y)
        light = stripe_strength * stripe + 0.12 * smoothstep(0.88, 1.0, surface.along) + 0.3 * wart
        light += 0.16 * streaks * (0.3 + surface.along)
        light += belly * smoothstep(0.5, 1.0, np.cos(surface.around - belly_at)) * (0.4 + 0.1 * fine + 0.2 * broad)
        albedo = mixed(mixed(green, pale, np.clip(light, 0, 0.9)), linear((150, 142, 98)), 0.6 * scratches.at(x, y))
        albedo *= np.clip(1 + 0.10 * broad + 0.08 * fine + 0.03 * grit, 0.3, 1.8)[..., None]
        bump = ridge * wave * np.minimum(1, 8 * surface.along) + 0.04 * fine + 0.006 * grit + 0.55 * wart
        return Paint(
            albedo, bump, roughness, gloss=np.clip(0.85 + 0.18 * fine + 0.1 * broad, 0.2, 1.2), translucency=0.2
        )

    return paint


def _warts(rng: np.random.Generator, body: Tube, count: int) -> Marks:
    skin = skin_of(body)
    for place in skin.places(rng, count):
        skin.dot(place, rng.uniform(0.5, 1.1), rng.uniform(0.5, 1))
    return skin.softened(0.35)


def _scratches(rng: np.random.Generator, body: Tube) -> Marks:
    skin = skin_of(body)
    for place in skin.places(rng, int(rng.integers(0, 7))):
        skin.line(wandering(rng, place, rng.uniform(3, 25), 0.2), 0.3, rng.uniform(0.2, 0.8))
    return skin.softened(0.15)
