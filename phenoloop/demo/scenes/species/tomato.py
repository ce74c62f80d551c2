"""Tomato: an oblate, faintly ribbed berry with a calyx of curling sepals, or the corky scar where it sat."""

import numpy as np

from phenoloop.demo.scenes.blob import Blob
from phenoloop.demo.scenes.light import Paint
from phenoloop.demo.scenes.noise import Textures, looked_up
from phenoloop.demo.scenes.planes import Array, linear, mixed, smoothstep
from phenoloop.demo.scenes.shapes import Surface, leaning
from phenoloop.demo.scenes.species.parts import Painter, Part, Specimen, green_stem, swept
from phenoloop.demo.scenes.tube import Tube

_SHARES = (0.66, 0.17, 0.17)
_BODY = {"red": (172, 32, 20), "turning": (200, 84, 32), "green": (146, 154, 84)}
_SHOULDER = {"red": (190, 66, 24), "turning": (172, 134, 58), "green": (96, 122, 56)}
_CORK = linear((176, 142, 96))


def tomato(rng: np.random.Generator) -> Specimen:
    fruit = _fruit(rng)
    if rng.random() < 0.25:
        return Specimen("tomato", (Part(fruit, _skin(rng, scar=rng.uniform(0.024, 0.042))),))
    sepals = green_stem(rng, (92, 128, 52), dry=rng.uniform(0, 0.35))
    return Specimen("tomato", (Part(fruit, _skin(rng)), *(Part(sepal, sepals) for sepal in _calyx(rng, fruit))))


def _fruit(rng: np.random.Generator) -> Blob:
    """Radius by direction: a superellipse, dented at the stem, ribbed most near it."""
    wide = rng.uniform(24, 41)
    tall = wide * (rng.uniform(0.74, 0.93) if rng.random() < 0.8 else rng.uniform(1.1, 1.3))
    power, ribs, phase = rng.uniform(2.05, 2.45), int(rng.integers(4, 9)), rng.uniform(0, 6)
    depth = rng.uniform(0.0, 0.014) if rng.random() < 0.6 else rng.uniform(0.02, 0.06)
    dent, askew, askew_to = rng.uniform(0.06, 0.16), rng.uniform(0, 0.03), rng.uniform(0, 6)

    def radius(x: Array, y: Array, z: Array) -> Array:
        ring, around = np.sqrt(np.maximum(1 - z * z, 0)), np.arctan2(y, x)
        body = ((ring / wide) ** power + (np.abs(z) / tall) ** power) ** (-1 / power)
        fold = np.sqrt(np.sin(ribs / 2 * around + phase + 0.7 * np.sin(around + phase)) ** 2 + 0.02)
        ribbed = 1 - depth * (1 - fold) * (0.35 + np.clip(z, -0.3, 1)) * np.minimum(ring * 3, 1)
        hollow = 1 - dent * np.exp((z - 1) / 0.06) - 0.25 * dent * np.exp((-1 - z) / 0.05)
        out: Array = body * ribbed * hollow * (1 + askew * np.cos(around + askew_to) * ring)
        return out

    tilt = rng.uniform(0.05, 0.7) if rng.random() < 0.55 else rng.uniform(0.7, 2.6)
    return Blob.posed(radius, leaning(tilt, rng.uniform(0, 6)))


def _calyx(rng: np.random.Generator, fruit: Blob) -> list[Tube]:
    """Five or six sepals around the cut stalk."""
    count, first, size = int(rng.integers(5, 7)), rng.uniform(0, 6), float(np.clip(fruit.reach, 24, 38)) / 30
    sepals = [_sepal(rng, fruit, first + 2 * np.pi * (i + rng.normal(0, 0.12)) / count, size) for i in range(count)]
    foot = fruit.skin_at(np.array([[0.0, 0, 1]]))[0]
    out, bent = fruit.pose @ np.array([*rng.normal(0, 0.25, 2), 1]), fruit.pose @ np.array([*rng.normal(0, 4, 2), 0])
    height = rng.uniform(4, 10) * size
    stalk = swept(foot - out * 2, foot + out * height * 0.6, foot + out * height + bent, count=10)
    return [*sepals, Tube(stalk, size * np.array([2.6, 2.2, 1.9, 1.75, 1.7, 1.7, 1.75, 1.9, 1.9, 1.2]))]


def _sepal(rng: np.random.Generator, fruit: Blob, azimuth: float, size: float) -> Tube:
    """A lance-shaped leaf that leaves the hollow, follows the skin and curls up towards its end."""
    t = np.linspace(0, 1, 13)
    polar = t * rng.uniform(13, 24) * size / fruit.reach
    turn = azimuth + rng.normal(0, 0.35) * t**2
    on_skin = fruit.skin_at(np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1))
    outward = on_skin / np.linalg.norm(on_skin, axis=1, keepdims=True)
    spine = on_skin + outward * (0.7 + rng.uniform(0, 7) * size * t[:, None] ** 2.2)
    width = rng.uniform(1.5, 2.4) * size * np.sin(np.pi * (0.2 + 0.8 * t) ** 0.8) ** 0.9
    return Tube(spine, np.maximum(width, 0.15), flatness=0.4)


def _skin(rng: np.random.Generator, scar: float | None = None) -> Painter:
    """`scar` is the polar angle of the stalk's scar, of half a turn; None where a calyx hides it."""
    ripeness = str(rng.choice(list(_BODY), p=_SHARES))
    jitter = rng.normal(0, 1, 3) * [10, 8, 5]
    body, shoulder = linear(np.array(_BODY[ripeness]) + jitter), linear(np.array(_SHOULDER[ripeness]) + jitter)
    shift, near, far = rng.uniform(0, 300, 2), rng.uniform(-0.08, 0.2), rng.uniform(0.25, 0.6)
    tip_ripens = rng.uniform(0.3, 0.8) if ripeness == "turning" else 0.0
    roughness = rng.uniform(0.07, 0.15)

    def paint(surface: Surface, textures: Textures) -> Paint:
        x, y = surface.skin_x, surface.skin_y
        broad = looked_up(textures.cloud, x, y, 120, shift)
        fine = looked_up(textures.mottle, x, y, 40, shift)
        specks = looked_up(textures.grit, x, y, 130, shift)
        streaks = looked_up(textures.mottle, surface.around, 0.25 * surface.along, 2 * np.pi, shift)
        from_stem = surface.along + 0.04 * broad
        albedo = mixed(body, shoulder, smoothstep(far, near, from_stem))
        albedo = mixed(albedo, linear((180, 40, 22)), tip_ripens * smoothstep(0.55, 0.95, from_stem + 0.05 * fine))
        albedo *= np.clip(1 + 0.08 * broad + 0.04 * fine + 0.04 * streaks + 0.02 * specks, 0.5, 1.5)[..., None]
        corky = 0.8 * smoothstep(0.028, 0.012, 1 - surface.along + 0.004 * fine)  # where the blossom was
        if scar:
            star = surface.along / (scar * (1 + 0.22 * np.sin(5 * surface.around + shift[0]) + 0.12 * fine))
            albedo = mixed(albedo, shoulder * 1.2, 0.5 * smoothstep(2.6, 1.0, star))
            corky = np.maximum(corky, smoothstep(1.1, 0.85, star))
        albedo = mixed(albedo, _CORK * (1 + 0.2 * fine[..., None]), corky)
        bump = 0.05 * broad + 0.004 * fine + 0.3 * corky * (0.6 + 0.4 * fine)
        return Paint(albedo, bump, roughness, gloss=np.clip(1 + 0.1 * fine - 0.8 * corky, 0, 1.3), translucency=0.4)

    return paint
