"""What is true of each vegetable in a scene: its outline, seen and whole, and its size."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.camera import Camera
from phenoloop.demo.scenes.ground import View
from phenoloop.demo.scenes.layout import Placed
from phenoloop.demo.scenes.planes import Array, sampled


@dataclass(frozen=True, slots=True)
class SceneInstance:
    """One vegetable. Masks are (H, W) bool in the photo's frame."""

    label: str
    mask: NDArray[np.bool_]
    """What of it is seen; the masks of a scene are disjoint."""
    amodal_mask: NDArray[np.bool_]
    """Its whole outline, also where others hide it."""
    length_mm: float
    """Long side of the smallest rotated rectangle about the whole outline."""
    width_mm: float
    """Short side of that rectangle."""
    area_mm2: float
    """Of the whole outline."""
    visible_share: float


def instances_of(placed: Sequence[Placed], view: View, camera: Camera) -> tuple[SceneInstance, ...]:
    """One instance per placed object, in their order. Masks go through the lens as the photo did; sizes don't."""
    lens = camera.lens_map(view.width_px, view.height_px)
    uppermost = np.full(view.shape, -1, np.int16)
    for index, thing in enumerate(placed):
        uppermost[thing.window][_outline(thing)] = index
    seen = _through_lens(uppermost, lens)
    return tuple(_instance(thing, seen == index, lens, view) for index, thing in enumerate(placed))


def _instance(thing: Placed, mask: NDArray[np.bool_], lens: tuple[Array, Array], view: View) -> SceneInstance:
    outline, whole = _outline(thing), np.zeros(view.shape, np.int16)
    whole[thing.window] = outline
    amodal = _through_lens(whole, lens) > 0
    long_px, short_px = _sides_px(outline)
    return SceneInstance(
        label=thing.solid.label,
        mask=mask,
        amodal_mask=amodal,
        length_mm=long_px * view.mm_per_px,
        width_mm=short_px * view.mm_per_px,
        area_mm2=float(outline.sum()) * view.mm_per_px**2,
        visible_share=float(mask.sum() / amodal.sum()),
    )


def _outline(thing: Placed) -> NDArray[np.bool_]:
    outline: NDArray[np.bool_] = thing.solid.cover >= 0.5
    return outline


def _through_lens(plane: NDArray[np.int16], lens: tuple[Array, Array]) -> NDArray[np.int16]:
    return sampled(plane, *lens, way=cv2.INTER_NEAREST)


def _sides_px(outline: NDArray[np.bool_]) -> tuple[float, float]:
    """Long and short side of the smallest rotated rectangle about the corners of an outline's pixels."""
    edge = outline & (cv2.erode(outline.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) == 0)
    rows, columns = np.nonzero(edge)
    corners = np.concatenate([np.stack([columns + dx, rows + dy], -1) for dx in (0, 1) for dy in (0, 1)])
    _, sides, _ = cv2.minAreaRect(corners.astype(np.float32))
    return max(sides), min(sides)
