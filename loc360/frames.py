"""Where a scaled view lies on the photo: the one place that maps between the frames *sent* or *crop* and *photo*."""

import math
from dataclasses import dataclass

from loc360.wire import Box, Point


@dataclass(frozen=True, slots=True)
class View:
    """A part of the photo shown with `width_px` x `height_px` pixels. x and y scale may differ a hair by rounding."""

    part: Box
    """Frame: photo."""
    width_px: int
    height_px: int

    @property
    def scale_x(self) -> float:
        """Photo pixels per view pixel, across."""
        return (self.part.x1 - self.part.x0) / self.width_px

    @property
    def scale_y(self) -> float:
        """Photo pixels per view pixel, down."""
        return (self.part.y1 - self.part.y0) / self.height_px

    def box_on_photo(self, box: Box) -> Box:
        x0, y0, x1, y1 = box
        return Box(*self.point_on_photo(Point(x0, y0)), *self.point_on_photo(Point(x1, y1)))

    def box_in_view(self, box: Box) -> Box:
        x0, y0, x1, y1 = box
        return Box(*self.point_in_view(Point(x0, y0)), *self.point_in_view(Point(x1, y1)))

    def point_on_photo(self, point: Point) -> Point:
        return Point(self.part.x0 + point.x * self.scale_x, self.part.y0 + point.y * self.scale_y)

    def point_in_view(self, point: Point) -> Point:
        return Point((point.x - self.part.x0) / self.scale_x, (point.y - self.part.y0) / self.scale_y)


def whole(width_px: int, height_px: int) -> Box:
    """All of a frame of that size."""
    return Box(0, 0, width_px, height_px)


def clipped(box: Box, frame: Box) -> Box | None:
    """What of the box lies in the frame; None if that is less than one pixel wide or high."""
    inside = Box(max(box.x0, frame.x0), max(box.y0, frame.y0), min(box.x1, frame.x1), min(box.y1, frame.y1))
    return inside if inside.x1 - inside.x0 >= 1 and inside.y1 - inside.y0 >= 1 else None


def crop_around(box: Box, margin: float, frame: Box) -> Box:
    """The box with `margin` times its longer side around it, on whole pixels, inside the frame."""
    context = margin * max(box.x1 - box.x0, box.y1 - box.y0)
    return Box(
        max(math.floor(box.x0 - context), frame.x0),
        max(math.floor(box.y0 - context), frame.y0),
        min(math.ceil(box.x1 + context), frame.x1),
        min(math.ceil(box.y1 + context), frame.y1),
    )
