"""One generated photo of vegetables, with the truth about every one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.backgrounds import draw_ground
from phenoloop.demo.scenes.camera import Camera
from phenoloop.demo.scenes.ground import Ground, View, lit_ground
from phenoloop.demo.scenes.layout import Placed, laid_out
from phenoloop.demo.scenes.light import Light, Reach, draw_light, lit
from phenoloop.demo.scenes.noise import Textures
from phenoloop.demo.scenes.planes import Array
from phenoloop.demo.scenes.ruler import draw_scale
from phenoloop.demo.scenes.shadows import reaches
from phenoloop.demo.scenes.species import SPECIES
from phenoloop.demo.scenes.truth import SceneInstance, instances_of

_FIELD_MM = (300.0, 720.0)  # short side of the photographed ground: 0.25 to 0.6 mm a pixel at 1600 x 1200


@dataclass(frozen=True, slots=True)
class Scene:
    photo: NDArray[np.uint8]
    """(H, W, 3) RGB, as decoded from the camera's JPEG."""
    instances: tuple[SceneInstance, ...]
    """From the lowest to the uppermost."""
    mm_per_px: float
    """On the ground, at the middle of the photo; distortion changes it by up to 1.2 % in the very corners."""
    background: str
    seed: int


def render_scene(
    seed: int,
    *,
    width_px: int = 1600,
    height_px: int = 1200,
    species: Sequence[str] | None = None,
    max_objects: int = 14,
    min_objects: int = 1,
    min_kinds: int = 1,
) -> Scene:
    """Render a scene from above; the same arguments give the same scene.

    `species` limits what may lie in it (any of SPECIES if None). Every object lies whole within the photo.
    """
    rng, light_rng, camera_rng = np.random.default_rng(seed).spawn(3)
    wanted = int(rng.integers(min_objects, max_objects + 1))
    view = View(width_px, height_px, _field_mm(rng, wanted) / min(width_px, height_px))
    bare = draw_ground(rng, view)
    scale = draw_scale(rng, view, bare.border_mm)
    kinds = _kinds(rng, list(species or SPECIES), min_kinds)
    placed = laid_out(rng, view, bare.border_mm, scale.cover, kinds, wanted)
    light = draw_light(light_rng, outdoors=bare.name == "soil")
    picture = _lit_scene(light_rng, view, scale.on(bare), placed, light)
    camera = Camera.drawn(camera_rng)
    return Scene(
        photo=camera.photo(picture, camera_rng),
        instances=instances_of(placed, view, camera),
        mm_per_px=view.mm_per_px,
        background=bare.name,
        seed=seed,
    )


def render_mixture(seed: int, *, width_px: int = 1600, height_px: int = 1200) -> Scene:
    """A scene of many kinds: two dozen of these hold enough of each to learn from, and each photo tells much."""
    return render_scene(seed, width_px=width_px, height_px=height_px, min_objects=5, min_kinds=3)


def _field_mm(rng: np.random.Generator, objects: int) -> float:
    """Short side of the photographed ground; the camera stands farther off when there is more to see."""
    narrow, wide = _FIELD_MM
    return float(narrow + (wide - narrow) * np.clip(0.055 * objects + rng.uniform(-0.3, 0.4), 0, 1))


def _kinds(rng: np.random.Generator, allowed: Sequence[str], least: int) -> list[str]:
    """As few kinds of vegetables as may be, or a mixture."""
    several = least if rng.random() < 0.4 else int(rng.integers(least, len(allowed) + 1))
    return [str(kind) for kind in rng.choice(allowed, several, replace=False)]


def _lit_scene(rng: np.random.Generator, view: View, ground: Ground, placed: Sequence[Placed], light: Light) -> Array:
    """(h, w, 3) linear light: the ground, then the objects from the lowest up."""
    heights, things = ground.relief.astype(np.float32), np.zeros(view.shape, bool)
    for thing in placed:
        inside = thing.solid.cover > 0.5
        over = np.maximum(heights[thing.window], thing.solid.top + np.float32(thing.lift_mm))
        np.copyto(heights[thing.window], over, where=inside)
        things[thing.window] |= inside
    on_ground, on_things = reaches(heights, things, light, view.mm_per_px, rng)
    picture = lit_ground(ground, light, on_ground, view.mm_per_px)
    thrown_back, textures = ground.albedo[::16, ::16].mean((0, 1)) * np.float32(0.7), Textures.drawn(rng)
    for thing in placed:
        _draw(picture[thing.window], thing, light, on_things, thrown_back, textures)
    return picture


def _draw(picture: Array, thing: Placed, light: Light, reach: Reach, thrown_back: Array, textures: Textures) -> None:
    """Lay one object over its window (h, w, 3) of the picture: its parts in order, unless they are behind."""
    highest = np.full(thing.solid.cover.shape, -1e3, np.float32)
    lamps, sky = [lamp[thing.window] for lamp in reach.lamps], reach.sky[thing.window]
    for part in thing.solid.parts:
        surface, window = part.surface, part.window
        here = Reach(tuple(surface.gathered(lamp[window]) for lamp in lamps), surface.gathered(sky[window]))
        colour = surface.spread(lit(surface, part.paint(surface, textures), light, here, thrown_back))
        top = surface.spread(surface.top, empty=-1e3)
        seen = surface.spread(surface.cover) * (top > highest[window])
        picture[window] += (colour - picture[window]) * seen[..., None]
        np.copyto(highest[window], top, where=seen > 0.5)
