"""One photo of a snapshot: what an annotator drew on it, in pixels of the EXIF-upright photo at full size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from loc360.wire import mask_base64
from phenoloop.chain.images import ImageFacts
from phenoloop.errors import TaskInvalid
from phenoloop.labelling.annotated import AnnotatedRegion, decode_regions
from sync.annotations import Annotation
from sync.gzipped import MAX_LINE_BYTES
from sync.split import Split, split_of

_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class PhotoLine:
    """A line of a shard, and what the index notes of it."""

    text: bytes
    """JSON and a newline."""
    split: Split
    regions: int
    labels: tuple[str, ...]


def photo_line(annotation: Annotation, facts: ImageFacts) -> PhotoLine:
    """The photo with its regions; those listed under another region are parts of that one and left out.

    What the task's data says of scale and group wins over the photo's own. Raises TaskInvalid.
    """
    task = annotation.task
    regions = _own_regions(decode_regions(annotation.result))
    width_px, height_px = _size_px(regions)
    group = task.group or facts.group
    split = split_of(group, urlsplit(task.photo).path.lstrip("/"))
    line = {
        "photo": task.photo,
        "etag": facts.etag,
        "width_px": width_px,
        "height_px": height_px,
        "mm_per_px": task.mm_per_px or facts.mm_per_px,
        "group": group,
        "split": split,
        "project_id": annotation.project,
        "task_id": task.id,
        "annotation_id": annotation.id,
        "regions": [_region(region) for region in regions],
    }
    text = _JSON.encode(line).encode() + b"\n"
    if len(text) > MAX_LINE_BYTES:
        raise TaskInvalid("A photo's regions take more bytes than a snapshot holds.", most_bytes=MAX_LINE_BYTES)
    labels = tuple(sorted({region.label for region in regions if region.label is not None}))
    return PhotoLine(text, split, len(regions), _once(labels))


@lru_cache(maxsize=1024)
def _once(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The same object for the same labels: a hundred thousand photos have a handful."""
    return labels


def _own_regions(regions: list[AnnotatedRegion]) -> list[AnnotatedRegion]:
    """Without those under another one, and without masks of which nothing is left."""
    ids = {region.id for region in regions}
    own = [region for region in regions if region.parent_id == region.id or region.parent_id not in ids]
    return [region for region in own if region.mask is None or region.mask.any()]


def _size_px(regions: list[AnnotatedRegion]) -> tuple[int | None, int | None]:
    """Width and height of the photo; only regions tell them."""
    sizes = {(region.width_px, region.height_px) for region in regions}
    if len(sizes) > 1:
        raise TaskInvalid("The regions of one photo were drawn on photos of different sizes.", sizes=sorted(sizes))
    return next(iter(sizes), (None, None))


def _region(region: AnnotatedRegion) -> dict[str, object]:
    return {
        "id": region.id,
        "label": region.label,
        "kind": region.kind.value,
        "box_px": [round(edge, 3) for edge in region.box_px],
        "mask": None if region.mask is None else mask_base64(region.mask),
        "origin_px": list(region.origin_px),
    }
