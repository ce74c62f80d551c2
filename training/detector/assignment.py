"""Which places answer for which object: those whose box and kind fit it best already, a few for each object.

Task alignment: Feng et al., "TOOD", ICCV 2021, with fit and kind for the score.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from training.detector.network import Seen

_MOST_PLACES = 10
_SCORE_POWER, _OVERLAP_POWER = 0.5, 4.0


class Assigned(NamedTuple):
    """At A places of one picture."""

    wanted: Tensor
    """(A,) float32 0..1: what `fit` should say; 0 where nobody answers for anything."""
    object: Tensor
    """(A,) int64 index of the object that the place answers for; -1: none."""


def assigned(seen: Seen, picture: int, boxes: Tensor, kinds: Tensor) -> Assigned:
    """For one picture's objects: `boxes` (n, 4), `kinds` (n,) int64, negative where unknown."""
    places, count = seen.places, len(seen.places)
    if not len(boxes):
        return Assigned(seen.fit.new_zeros(count), torch.full((count,), -1, device=places.device))
    inside = ((places - boxes[:, None, :2]).amin(dim=2) > 0) & ((boxes[:, None, 2:] - places).amin(dim=2) > 0)
    iou = overlaps(seen.boxes[picture][None], boxes[:, None]).iou * inside
    chances = seen.kinds[picture].softmax(dim=1).T[kinds.clamp(min=0)].sqrt()
    scores = seen.fit[picture].sigmoid() * torch.where(kinds[:, None] >= 0, chances, torch.ones_like(chances))
    aligned = scores.clamp(min=1e-6) ** _SCORE_POWER * iou**_OVERLAP_POWER
    best = aligned.topk(min(_MOST_PLACES, count), dim=1).indices
    chosen = torch.zeros_like(inside).scatter_(1, best, value=True) & (aligned > 1e-12)
    chosen = _nearest_for_lonely(chosen, boxes, places)
    overlap, owner = torch.where(chosen, iou, torch.full_like(iou, -1.0)).max(dim=0)  # two objects: the better fitting
    answers = overlap >= 0
    share = aligned * chosen
    share = share / share.amax(dim=1, keepdim=True).clamp(min=1e-9) * (iou * chosen).amax(dim=1, keepdim=True)
    wanted = torch.where(answers, share.gather(0, owner[None])[0], torch.zeros_like(overlap))
    return Assigned(wanted, torch.where(answers, owner, torch.full_like(owner, -1)))


class Overlaps(NamedTuple):
    iou: Tensor
    generalized: Tensor
    """Generalized IoU, -1..1: Rezatofighi et al., CVPR 2019."""


def overlaps(some: Tensor, others: Tensor) -> Overlaps:
    """Of boxes (..., 4), element by element."""
    common = _area(torch.maximum(some[..., :2], others[..., :2]), torch.minimum(some[..., 2:], others[..., 2:]))
    union = _area(some[..., :2], some[..., 2:]) + _area(others[..., :2], others[..., 2:]) - common
    around = _area(torch.minimum(some[..., :2], others[..., :2]), torch.maximum(some[..., 2:], others[..., 2:]))
    iou = common / union.clamp(min=1e-6)
    return Overlaps(iou, iou - (around - union) / around.clamp(min=1e-6))


def _nearest_for_lonely(chosen: Tensor, boxes: Tensor, places: Tensor) -> Tensor:
    """(n, A) `chosen`, an object without any place given the one nearest to its middle."""
    middles = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    nearest = (middles - places).square().sum(dim=2).argmin(dim=1, keepdim=True)
    lonely = ~chosen.any(dim=1, keepdim=True)
    return chosen | (torch.zeros_like(chosen).scatter_(1, nearest, value=True) & lonely)


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(dim=-1)
