"""Connected components of many masks at once, as runs: stretches of set pixels within a row.

A mask has far fewer runs than pixels, so everything per component (area, box, moments, sums of any map) costs a few
passes over the runs instead of the pixels. Components are 4-connected.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Runs(NamedTuple):
    """All runs of a (B, H, W) stack of masks, in reading order; every field (R,) int64."""

    mask: Tensor
    """Which of the B masks."""
    y: Tensor
    x0: Tensor
    x1: Tensor
    """Edges: x0 <= x < x1."""
    component: Tensor
    """0..n-1, counted over the whole stack."""


def runs_of(masks: Tensor) -> Runs:
    """The runs of (B, H, W) bool, joined into components where they touch along a column."""
    height, width = masks.shape[1], masks.shape[2]
    before = torch.zeros_like(masks)
    before[:, :, 1:] = masks[:, :, :-1]
    after = torch.zeros_like(masks)
    after[:, :, :-1] = masks[:, :, 1:]
    starts = (masks & ~before).flatten().nonzero().flatten()
    ends = (masks & ~after).flatten().nonzero().flatten() + 1

    joint = torch.zeros_like(masks)
    joint[:, 1:] = masks[:, 1:] & masks[:, :-1]
    first = joint.clone()
    first[:, :, 1:] = joint[:, :, 1:] & ~joint[:, :, :-1]  # one link per stretch of contact is enough
    lower = first.flatten().nonzero().flatten()
    links_from = torch.searchsorted(starts, lower, right=True) - 1
    links_to = torch.searchsorted(starts, lower - width, right=True) - 1

    row = torch.div(starts, width, rounding_mode="floor")
    return Runs(
        mask=torch.div(row, height, rounding_mode="floor"),
        y=row % height,
        x0=starts - row * width,
        x1=ends - row * width,
        component=_joined(starts.shape[0], links_from, links_to),
    )


def count(runs: Runs) -> int:
    """Number of components."""
    return int(runs.component.max()) + 1 if runs.component.numel() > 0 else 0


def areas(runs: Runs) -> Tensor:
    """(n,) float64, in pixels."""
    return _summed(runs, (runs.x1 - runs.x0).to(torch.float64))


def means(runs: Runs, maps: Tensor) -> Tensor:
    """(n, C) float32: means over each component of the maps (C, H, W), which all masks share."""
    channels, height, width = maps.shape[0], maps.shape[1], maps.shape[2]
    sums = torch.zeros([channels, height, width + 1], dtype=torch.float64)
    sums[:, :, 1:] = maps.to(torch.float64).cumsum(dim=2)
    table = sums.permute(1, 2, 0).reshape(-1, channels)
    row = runs.y * (width + 1)
    totals = torch.zeros([count(runs), channels], dtype=torch.float64)
    totals.index_add_(0, runs.component, table[row + runs.x1] - table[row + runs.x0])
    return (totals / areas(runs).unsqueeze(1)).to(torch.float32)


def boxes(runs: Runs) -> Tensor:
    """(n, 4) int64 tight boxes [x0, y0, x1, y1] in pixel edges."""
    n = count(runs)
    low = torch.full([n], 1 << 30, dtype=torch.int64)
    high = torch.full([n], -1, dtype=torch.int64)
    return torch.stack(
        [
            low.scatter_reduce(0, runs.component, runs.x0, "amin"),
            low.scatter_reduce(0, runs.component, runs.y, "amin"),
            high.scatter_reduce(0, runs.component, runs.x1, "amax"),
            high.scatter_reduce(0, runs.component, runs.y + 1, "amax"),
        ],
        dim=1,
    )


def moments(runs: Runs) -> Tensor:
    """(n, 5) float32: mean x, mean y (pixel centres at .5), and the covariance xx, xy, yy of each component.

    A pixel counts as a unit square (hence the 1/12), so that a single pixel is no degenerate shape.
    """
    length = (runs.x1 - runs.x0).to(torch.float64)
    y = runs.y.to(torch.float64) + 0.5
    middle = (runs.x0 + runs.x1).to(torch.float64) / 2.0
    area = _summed(runs, length)
    mean_x = _summed(runs, length * middle) / area
    mean_y = _summed(runs, length * y) / area
    # variance of a run of length l about its middle is l²/12; the rest is the parallel axis theorem
    xx = _summed(runs, length * (middle * middle + length * length / 12.0)) / area - mean_x * mean_x
    xy = _summed(runs, length * middle * y) / area - mean_x * mean_y
    yy = _summed(runs, length * (y * y + 1.0 / 12.0)) / area - mean_y * mean_y
    return torch.stack([mean_x, mean_y, xx, xy, yy], dim=1).to(torch.float32)


def painted(runs: Runs, chosen: Tensor, height_px: int, width_px: int, masks: int) -> Tensor:
    """(masks, H, W) bool: the runs whose component is `chosen` (n,) bool."""
    keep = chosen[runs.component]
    row = (runs.mask[keep] * height_px + runs.y[keep]) * (width_px + 1)
    edges = torch.zeros([masks * height_px * (width_px + 1)], dtype=torch.int32)
    one = torch.ones([row.shape[0]], dtype=torch.int32)
    edges.index_add_(0, row + runs.x0[keep], one)
    edges.index_add_(0, row + runs.x1[keep], -one)
    return edges.reshape(masks, height_px, width_px + 1).cumsum(dim=2)[:, :, :width_px] > 0


def _summed(runs: Runs, values: Tensor) -> Tensor:
    return torch.zeros([count(runs)], dtype=values.dtype).index_add_(0, runs.component, values)


def _joined(nodes: int, links_from: Tensor, links_to: Tensor) -> Tensor:
    """(nodes,) int64 component numbers of a graph.

    Hook the larger root to the smaller, then jump pointers until flat; rounds are logarithmic in the number of nodes
    (Shiloach and Vishkin, J. Algorithms 3 (1982) 57).
    """
    parent = torch.arange(nodes)
    while links_from.numel() > 0:
        one, other = parent[links_from], parent[links_to]
        low, high = torch.minimum(one, other), torch.maximum(one, other)
        open_links = low != high
        links_from, links_to = links_from[open_links], links_to[open_links]
        parent.scatter_reduce_(0, high[open_links], low[open_links], "amin")
        above = parent[parent]
        while not torch.equal(above, parent):
            parent = above
            above = parent[parent]
    is_root = parent == torch.arange(nodes)
    return (is_root.to(torch.int64).cumsum(0) - 1)[parent]
