"""One object out of a mask: the right component, without holes, without the neighbours that touch it."""

import torch
from torch import Tensor

from training.contrast.components import areas, boxes, count, means, painted, runs_of
from training.contrast.morphology import depth, grown


def whole_object(mask: Tensor, seed: Tensor) -> Tensor:
    """The component of (H, W) bool that holds most of the seed (H, W), its holes filled."""
    height, width = mask.shape[0], mask.shape[1]
    own, _ = _own_and_others(mask, seed)
    around = runs_of(~own.unsqueeze(0))
    edges = boxes(around)
    holes = (edges[:, :2] > 0).all(dim=1) & (edges[:, 2] < width) & (edges[:, 3] < height)
    return own | painted(around, holes, height, width, 1)[0]


def without_neighbours(mask: Tensor, seed: Tensor, neck: float) -> Tensor:
    """What grows from the seed's own core, where a neck parts it from the cores of others; (H, W) bool.

    Cores are what outlives erosion by `neck` of the inner radius at the seed; they grow back side by side, as in a
    watershed of the distance transform. Shallow cores are bumps of the same object, not others.
    """
    deep = depth(mask)
    radius = (deep * (seed > 0.3 * seed.max())).max()
    own, others = _own_and_others(deep > neck * radius, seed)
    others = _standing_on(others, deep > (neck + 0.1) * radius + 0.5)
    if not bool(others.any()):
        return mask
    both = torch.stack([own, others])
    free = mask & ~own & ~others
    step = 0
    while bool(free.any()):
        reached = grown(both, cross=step % 3 != 1) & free
        both = torch.stack([both[0] | reached[0], both[1] | (reached[1] & ~reached[0])])
        still_free = free & ~reached.any(dim=0)
        free = still_free & (still_free != free).any()  # what no core can reach is left
        step += 1
    return both[0]


def _own_and_others(mask: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
    """(H, W) bool: the component that holds most of the seed, and all the others."""
    runs = runs_of(mask.unsqueeze(0))
    if count(runs) == 0:
        return mask, mask
    held = means(runs, seed.unsqueeze(0))[:, 0] * areas(runs)
    own = torch.zeros_like(held, dtype=torch.bool)
    own[held.argmax()] = True
    mine = painted(runs, own, mask.shape[0], mask.shape[1], 1)[0]
    return mine, mask & ~mine


def _standing_on(mask: Tensor, ground: Tensor) -> Tensor:
    """The components of (H, W) bool that hold any of the ground."""
    runs = runs_of(mask.unsqueeze(0))
    if count(runs) == 0:
        return mask
    held = means(runs, ground.to(torch.float32).unsqueeze(0))[:, 0] > 0
    return painted(runs, held, mask.shape[0], mask.shape[1], 1)[0]
