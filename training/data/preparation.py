"""One annotated photo: its annotation checked against it, and its regions as objects to learn from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from loc360.errors import Loc360Error, ReplyInvalid
from loc360.frames import clipped, whole
from loc360.wire import mask_from_base64
from training.data.dataset import LabelledObject
from training.data.snapshot import AnnotatedPhoto, Region
from training.masks import PlacedMask, trimmed


@dataclass(frozen=True, slots=True)
class LeftOut:
    photo: str
    reason: str
    broken: bool = True
    """False: nothing is wrong with it, it only can't be learnt from."""


class Unusable(Loc360Error):
    """Of one photo; the message is the reason."""

    broken = True


class Incomplete(Unusable):
    """Nothing is wrong with it, but not all of its objects are drawn."""

    broken = False


@dataclass(frozen=True, slots=True)
class Checked:
    regions: tuple[Region, ...]
    """Those that show at least a pixel of the photo."""
    key_points: int
    """Dropped: they are prompts, and the objects have regions."""
    outside: int
    """Dropped: regions that show less."""
    masks_lost: int
    """Masks that can't be decoded. Their regions keep their boxes: left out, they would be learnt as background."""


def checked(photo: AnnotatedPhoto, width_px: int, height_px: int) -> Checked:
    """The annotation of a photo of which the upright size is known. Raises Unusable, Incomplete."""
    _require_size(photo, width_px, height_px)
    drawn = [region for region in photo.regions if region.kind != "keypoint"]
    alone = [point for point in photo.regions if point.kind == "keypoint" and not _in_any(point, drawn)]
    if alone:
        raise Incomplete(f"Key points in no other region: {len(alone)}. Their objects would be learnt as background.")
    frame = whole(width_px, height_px)
    seen = [region for region in drawn if clipped(region.box_px, frame) is not None]
    broken = [not _is_readable(region) for region in seen]
    return Checked(
        regions=tuple(
            replace(region, mask=None) if lost else region for region, lost in zip(seen, broken, strict=True)
        ),
        key_points=len(photo.regions) - len(drawn),
        outside=len(drawn) - len(seen),
        masks_lost=sum(broken),
    )


def labelled(regions: Iterable[Region]) -> tuple[LabelledObject, ...]:
    """Raises ReplyInvalid if a mask can't be decoded."""
    return tuple(LabelledObject(region.label, region.box_px, _mask(region)) for region in regions)


def _require_size(photo: AnnotatedPhoto, width_px: int, height_px: int) -> None:
    sides = ((photo.width_px, width_px), (photo.height_px, height_px))
    if any(stated is not None and abs(stated - seen) > 1 for stated, seen in sides):
        raise Unusable(
            f"It was annotated with {photo.width_px} x {photo.height_px} pixels, "
            f"but the photo has {width_px} x {height_px}."
        )


def _in_any(point: Region, regions: Sequence[Region]) -> bool:
    x, y = point.box_px.x0, point.box_px.y0
    boxes = [region.box_px for region in regions]
    return any(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1 for box in boxes)


def _is_readable(region: Region) -> bool:
    try:
        _mask(region)
    except ReplyInvalid:
        return False
    return True


def _mask(region: Region) -> PlacedMask | None:
    return None if region.mask is None else trimmed(PlacedMask(mask_from_base64(region.mask), region.origin_px))
