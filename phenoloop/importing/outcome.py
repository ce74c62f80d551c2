"""What an import came to."""

from __future__ import annotations

from dataclasses import dataclass


class Unimportable(Exception):
    """Of one photo; the message is the reason, the same for all photos that share it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    photo: str
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    photos: int
    """Of the file."""
    annotated: int
    """By this import; of a dry run, that would be."""
    objects: int
    masks: int
    """Objects drawn with their masks; the others are boxes."""
    uploaded: int
    tasks_made: int
    already_annotated: int
    """Photos whose task was annotated or skipped before, by whomever; they are left as they are."""
    too_small: int
    """Objects that show less than a pixel of their photo; they are left out."""
    strays: int
    """Annotations of no image of the file."""
    left_out: tuple[LeftOut, ...]
