"""Bell pepper: three or four lobes with furrows between, a hollow with a thick green stem; smooth wax."""

import numpy as np

from phenoloop.demo.scenes.blob import Blob
from phenoloop.demo.scenes.light import Paint
from phenoloop.demo.scenes.noise import Textures, looked_up
from phenoloop.demo.scenes.planes import Array, linear, mixed, smoothstep
from phenoloop.demo.scenes.shapes import Surface, leaning
from phenoloop.demo.scenes.species.parts import Painter, Part, Specimen, green_stem, swept
from phenoloop.demo.scenes.tube import Tube

_COLOURS = {"red": (158, 22, 18), "yellow": (208, 152, 24), "orange": (196, 88, 20), "green": (50, 80, 30)}
_SHARES = (0.36, 0.24, 0.2, 0.2)


def pepper(rng: np.random.Generator) -> Specimen:
    lobes, phase = int(rng.choice([3, 4, 4])), rng.uniform(0, 6)
    fruit = _fruit(rng, lobes, phase)
    stem = Part(_stem(rng, fruit), green_stem(rng, (96, 132, 48)))
    return Specimen("pepper", (Part(fruit, _skin(rng, lobes, phase)), stem))


def _fruit(rng: np.random.Generator, lobes: int, phase: float) -> Blob:
    """Radius by direction: a boxy superellipse, narrower to the tip, furrowed between the lobes."""
    wide = rng.uniform(33, 45)
    tall = wide * rng.uniform(0.92, 1.4)
    power, taper, warp = rng.uniform(2.6, 3.6), rng.uniform(0.06, 0.24), rng.uniform(0.1, 0.45)
    furrow, hollow, tip_dent = rng.uniform(0.10, 0.2), rng.uniform(0.2, 0.34), rng.uniform(0.08, 0.2)
    askew = rng.uniform(0, 0.09)

    def radius(x: Array, y: Array, z: Array) -> Array:
        ring = np.sqrt(np.maximum(1 - z * z, 0))
        around = np.arctan2(y, x) + 0.12 * np.sin(2.2 * z + phase)
        body = ((ring / (wide * (1 + taper * z))) ** power + (np.abs(z) / tall) ** power) ** (-1 / power)
        fold = np.sqrt(np.sin(lobes / 2 * around + phase + warp * np.sin(around + phase)) ** 2 + 0.012)
        deep = furrow * (0.42 + 0.75 * z * z) * np.minimum(ring * 2.5, 1)
        lobed = 1 - deep * (1 - np.minimum(fold, 1)) ** 1.3 + askew * np.cos(around + 2 * phase) * ring
        out: Array = body * lobed * (1 - hollow * np.exp((z - 1) / 0.075) - tip_dent * np.exp((-1 - z) / 0.06))
        return out

    tilt = rng.uniform(1.15, 1.7) if rng.random() < 0.65 else rng.uniform(0.0, 0.9)
    return Blob.posed(radius, leaning(tilt, rng.uniform(0, 6)))


def _stem(rng: np.random.Generator, fruit: Blob) -> Tube:
    foot, length = fruit.skin_at(np.array([[0.0, 0, 1]]))[0], rng.uniform(22, 44)
    out, side = fruit.pose @ np.array([0, 0, 1.0]), fruit.pose @ np.array([*rng.normal(0, 0.4, 2), 0])
    line = swept(foot - out * 3, foot + out * length * 0.55, foot + (out + side) * length, count=18)
    t = np.linspace(0, 1, 18)
    thick = rng.uniform(3.4, 5.0) * (1 + 1.3 * np.exp(-t / 0.09) - 0.18 * np.sin(np.pi * t) + 0.12 * t)
    thick[-1] *= 0.72
    return Tube(line, thick)


def _skin(rng: np.random.Generator, lobes: int, phase: float) -> Painter:
    name = str(rng.choice(list(_COLOURS), p=_SHARES))
    body = linear(np.clip(np.array(_COLOURS[name]) + rng.normal(0, 1, 3) * [9, 9, 4], 4, 250))
    other = linear((92, 58, 26) if name == "green" else (118, 112, 36))
    shift, pure = rng.uniform(0, 300, 2), rng.uniform(0.3, 1.0) if rng.random() < 0.2 else 9.0
    calyx_size, roughness = rng.uniform(0.085, 0.12), rng.uniform(0.05, 0.1)

    def paint(surface: Surface, textures: Textures) -> Paint:
        x, y = surface.skin_x, surface.skin_y
        broad = looked_up(textures.cloud, x, y, 150, shift)
        fine = looked_up(textures.mottle, x, y, 50, shift)
        grit = looked_up(textures.grit, x, y, 120, shift)
        fold = np.abs(np.sin(lobes / 2 * surface.around + phase))
        ripening = smoothstep(pure, pure + 1.9, broad + 0.1 * fine + 0.5 * (1 - surface.along))
        calyx = calyx_size * (1 + 0.16 * np.sin(lobes * surface.around + 2 * phase) + 0.04 * fine)
        leaf = smoothstep(1.06, 0.97, surface.along / calyx)
        albedo = body * np.clip(1 + 0.08 * broad + 0.03 * fine + 0.01 * grit, 0.5, 1.5)[..., None]
        albedo = mixed(albedo, other, 0.85 * ripening)
        albedo = mixed(albedo, linear((84, 118, 40)) * (1 + 0.14 * fine[..., None]), leaf)
        bump = 0.12 * broad + 0.006 * fine + 1.0 * leaf - 0.15 * (1 - fold) ** 6
        return Paint(
            albedo, bump, roughness, gloss=np.clip(1.15 - 0.75 * leaf + 0.06 * fine, 0, 1.4), translucency=0.25
        )

    return paint
