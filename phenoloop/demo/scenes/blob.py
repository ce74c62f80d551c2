"""A body whose skin is at one distance in each direction from its middle: tomato, pepper, potato."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.planes import Array, unit
from phenoloop.demo.scenes.shapes import Patch, Surface, touched, turn_about_z

Radius = Callable[[Array, Array, Array], Array]
"""Unit direction in the body's own frame (x, y, z; z points to the stem) -> distance of the skin in mm."""

_BETWEEN_MM = 1.0  # what the skin may stand out between two of _DIRECTIONS


def _sphere(count: int) -> NDArray[np.float64]:
    """Directions (count, 3) evenly over the sphere: a Fibonacci lattice."""
    z = 1 - (2 * np.arange(count) + 1) / count
    around, ring = np.arange(count) * np.pi * (3 - np.sqrt(5)), np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(around), ring * np.sin(around), z], -1)


_DIRECTIONS = _sphere(1500)


@dataclass(frozen=True, slots=True)
class Blob:
    radius: Radius
    pose: NDArray[np.float64]
    """(3, 3) rotation from the body's frame to the object's."""
    reach: float
    """Not less than the largest radius."""

    @classmethod
    def posed(cls, radius: Radius, pose: NDArray[np.float64]) -> "Blob":
        x, y, z = _DIRECTIONS.T
        return cls(radius, pose, reach=1.02 * float(radius(x, y, z).max()))

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in mm."""
        skin = self.skin_at(_DIRECTIONS)[:, :2]
        left, top, right, bottom = map(float, (*skin.min(0) - _BETWEEN_MM, *skin.max(0) + _BETWEEN_MM))
        return left, top, right, bottom

    def turned(self, angle: float) -> "Blob":
        return replace(self, pose=turn_about_z(angle) @ self.pose)

    def skin_at(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the skin (n, 3) in the object's frame, in these directions (n, 3) of the body's frame."""
        outward = unit(directions)
        distance = self.radius(outward[:, 0], outward[:, 1], outward[:, 2])
        points: NDArray[np.float64] = (outward * distance[:, None]) @ self.pose.T
        return points

    def traced(self, patch: Patch) -> Surface:
        """Where each pixel's ray first meets the skin: bracketed from the ray's deepest point, then regula falsi."""
        x, y = patch.mesh()
        deepest, outside = self._deepest(x, y)
        near = outside < 3 * patch.step * patch.mm_per_px
        top, normal = deepest.copy(), np.zeros((*x.shape, 3), np.float32)
        top[near] = self._first_hit(x[near], y[near], deepest[near], outside[near])
        normal[near] = self._normals(x[near], y[near], top[near])
        bottom = np.where(outside < 0, 2 * deepest - top, top)
        maps = np.concatenate([np.stack([top, bottom, x, y, *self._to_body(x, y, top)], -1), normal], -1)
        pixels, cover, values = touched(outside, maps, patch)
        top, bottom, x, y = values[:4]
        body, flat = unit(np.stack(values[4:7], -1)), np.hypot(x, y)
        bent = np.arctan2(flat, np.maximum(top, 0)) * np.float32(self.reach) / np.maximum(flat, 1e-3)
        return Surface(
            patch=patch,
            pixels=pixels,
            cover=cover,
            top=top,
            bottom=bottom,
            normal=unit(np.stack(values[7:], -1)),
            along=np.arccos(np.clip(body[..., 2], -1, 1)) / np.float32(np.pi),
            around=np.arctan2(body[..., 1], body[..., 0]),
            skin_x=x * bent,
            skin_y=y * bent,
        )

    def _outside(self, x: Array, y: Array, z: Array) -> Array:
        """About the distance to the skin in mm, negative inside."""
        bx, by, bz = self._to_body(x, y, z)
        distance = np.sqrt(bx * bx + by * by + bz * bz) + np.float32(1e-3)
        return distance - self.radius(bx / distance, by / distance, bz / distance)

    def _to_body(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        pose = self.pose.astype(np.float32)
        bx, by, bz = (x * pose[0, axis] + y * pose[1, axis] + z * pose[2, axis] for axis in range(3))
        return bx, by, bz

    def _deepest(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Height of each ray's deepest point, by a parabola through three of nine samples, and how far outside."""
        heights = np.linspace(-0.8, 0.8, 9, dtype=np.float32) * np.float32(self.reach)
        fields = np.stack([self._outside(x, y, np.full_like(x, height)) for height in heights])
        best = np.clip(fields.argmin(0), 1, len(heights) - 2)
        before, here, after = (np.take_along_axis(fields, (best + shift)[None], 0)[0] for shift in (-1, 0, 1))
        bend = np.maximum(before - 2 * here + after, 1e-6)
        shift = np.clip((before - after) / (2 * bend), -1, 1)
        height = heights[best] + shift * (heights[1] - heights[0])
        return height, self._outside(x, y, height)

    def _first_hit(self, x: Array, y: Array, low: Array, low_field: Array) -> Array:
        """Height of the skin between the deepest point and above the body; the deepest point where the ray misses."""
        deepest, hits = low, low_field < 0
        high = np.full_like(x, self.reach * 1.05)
        high_field = self._outside(x, y, high)
        for _ in range(8):
            share = np.clip(low_field / np.minimum(low_field - high_field, -1e-6), 0.02, 0.98)
            guess = low + (high - low) * share
            field = self._outside(x, y, guess)
            inside = field < 0
            low, low_field = np.where(inside, guess, low), np.where(inside, field, low_field * 0.5)
            high, high_field = np.where(inside, high, guess), np.where(inside, high_field * 0.5, field)
        return np.where(hits, (low + high) / 2, deepest)

    def _normals(self, x: Array, y: Array, z: Array) -> Array:
        step, here = np.float32(0.5), self._outside(x, y, z)
        ahead = (self._outside(x + step, y, z), self._outside(x, y + step, z), self._outside(x, y, z + step))
        return unit(np.stack([field - here for field in ahead], -1))
