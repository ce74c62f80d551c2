"""Makes a soft mask follow the edges of the picture beneath it."""

import torch
from torch import Tensor
from torch.nn import functional

from training.contrast.colour import box_mean


def parting_colour(lab: Tensor, share: Tensor) -> Tensor:
    """(3,) the direction in L*a*b* (3, H, W) that best parts the object from the rest, by its `share` (H, W).

    R. A. Fisher, Ann. Eugenics 7 (1936) 179.
    """
    colours, weight = lab.flatten(1), share.flatten()
    inner = weight / weight.sum().clamp(min=1e-3)
    outer = (1.0 - weight) / (1.0 - weight).sum().clamp(min=1e-3)
    inner_mean, outer_mean = colours @ inner, colours @ outer
    from_inner, from_outer = colours - inner_mean.unsqueeze(1), colours - outer_mean.unsqueeze(1)
    scatter = (from_inner * inner) @ from_inner.t() + (from_outer * outer) @ from_outer.t() + 4.0 * torch.eye(3)
    direction = torch.linalg.solve(scatter, inner_mean - outer_mean)
    return direction / direction.norm().clamp(min=1e-6)


def along(lab: Tensor, direction: Tensor) -> Tensor:
    """(H, W): the colours (3, H, W) projected on a direction (3,)."""
    return (direction @ lab.flatten(1)).reshape(lab.shape[1], lab.shape[2])


def guided(guide: Tensor, values: Tensor, radius: int, flat: float) -> tuple[Tensor, Tensor]:
    """(H, W) slope and offset: values ~ slope * guide + offset near each pixel; edges below sqrt(`flat`) are smoothed.

    He, Sun and Tang, "Guided image filtering", PAMI 35 (2013) 1397. Applied to a finer guide, it refines the values:
    He and Sun, "Fast guided filter", arXiv:1505.00996.
    """
    mean = box_mean(torch.stack([guide, values, guide * guide, guide * values]), radius)
    slope = (mean[3] - mean[0] * mean[1]) / ((mean[2] - mean[0] ** 2).clamp(min=0.0) + flat)
    smooth = box_mean(torch.stack([slope, mean[1] - slope * mean[0]]), radius)
    return smooth[0], smooth[1]


def resized(values: Tensor, height: int, width: int) -> Tensor:
    """(H, W) to (height, width), bilinear."""
    return functional.interpolate(values[None, None], size=[height, width], mode="bilinear", align_corners=False)[0, 0]
