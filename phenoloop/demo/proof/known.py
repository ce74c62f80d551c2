"""Photos of which the truth is known: what the annotator draws from, and what releases are scored against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from phenoloop.labelling.geometry import Box, Mask


@dataclass(frozen=True, slots=True)
class KnownObject:
    """One object as it lies in its photo. Frame: the EXIF-upright photo at full size."""

    label: str
    box_px: Box
    mask: Mask | None
    """Of what is seen of it, cut to its content; None if only the box is known."""
    origin_px: tuple[int, int]
    """Of the mask in the photo (x, y)."""
    length_mm: float | None = None
    """Of the whole object; None if unknown, or if a part of it is hidden and so can't be measured."""
    width_mm: float | None = None


@dataclass(frozen=True, slots=True)
class KnownPhoto:
    name: str
    """Of its file, and of its object under a prefix of the bucket."""
    path: Path
    width_px: int
    height_px: int
    objects: tuple[KnownObject, ...]
    mm_per_px: float | None = None
    group: str | None = None
    """The plot or plant that it shows; photos of one group stay together."""

    @property
    def metadata(self) -> dict[str, str]:
        """Of its S3 object."""
        scale = {} if self.mm_per_px is None else {"mm-per-px": f"{self.mm_per_px:.5f}"}
        return scale | ({} if self.group is None else {"group": self.group})


@dataclass(frozen=True, slots=True)
class Subjects:
    """All photos of one proof, in the parts that they play."""

    open: Sequence[KnownPhoto]
    """Their tasks stay without annotation: what the loop does to open tasks is seen on them."""
    annotated: Sequence[KnownPhoto]
    tests: Sequence[KnownPhoto]
    """Label Studio never hears of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many photos play which part; known before the photos are."""

    open: int
    annotated: int
    judged_on: int
    """Of the annotated ones, those that the pipeline keeps for its own test."""
    shuffled: int
    """Of the other annotated ones, those whose annotation the control is sure to change."""
    tests: int
