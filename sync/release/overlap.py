"""How far two answers about one photo agree."""

from collections.abc import Sequence

from loc360.wire import Box

SAME_IOU = 0.5
"""Of two boxes of one object, as detection benchmarks have it."""


def matches(boxes: Sequence[Box], others: Sequence[Box], *, least_iou: float = SAME_IOU) -> int:
    """How many of `boxes` have a partner of their own among `others`; the best pairs first. All in one frame."""
    pairs = sorted(
        ((overlap, i, j) for i, box in enumerate(boxes) for j, other in enumerate(others)
         if (overlap := iou(box, other)) >= least_iou), reverse=True
    )  # fmt: skip
    taken: set[int] = set()
    given: set[int] = set()
    for _, i, j in pairs:
        if i not in taken and j not in given:
            taken.add(i)
            given.add(j)
    return len(taken)


def iou(box: Box, other: Box) -> float:
    """Intersection over union, 0 to 1; 0 for boxes without an area."""
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    both = max(width, 0.0) * max(height, 0.0)
    union = _area(box) + _area(other) - both
    return both / union if union > 0 else 0.0


def _area(box: Box) -> float:
    return max(box.x1 - box.x0, 0.0) * max(box.y1 - box.y0, 0.0)
