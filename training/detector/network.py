"""The detector's network: what it thinks of proposed boxes, after Fast R-CNN (Girshick, ICCV 2015), on one feature map.

Whether a box fits an object is learnt from all objects, the object's kind apart from that: few examples of a kind do
no harm.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from training.detector.proposals import Proposed
from training.encoders import Encoder

STRIDE = 8
"""Pixels of the network's image a cell of the feature map."""


class Opinions(NamedTuple):
    """Of n boxes."""

    fit: Tensor
    """(n,) logit of the box being one whole object."""
    moves: Tensor
    """(n, 4) where the object's edges are: `moved` applies them."""
    kinds: Tensor
    """(n, C) logits."""


class Features(torch.nn.Module):  # type: ignore[misc]
    """One map at stride 8 from the encoder's features at strides 8, 16 and 32. Lin et al., CVPR 2017."""

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.lateral8 = _normed(channels[2], width, 1)
        self.lateral16 = _normed(channels[3], width, 1)
        self.lateral32 = _normed(channels[4], width, 1)
        self.join16, self.join8 = _normed(width, width, 3), _normed(width, width, 3)

    def forward(self, stride8: Tensor, stride16: Tensor, stride32: Tensor) -> Tensor:
        """(B, width + channels of strides 16 and 32, h, w): what was joined, and what the encoder knew before."""
        deep = functional.interpolate(self.lateral32(stride32), scale_factor=2.0)
        middle = functional.interpolate(self.join16(self.lateral16(stride16) + deep), scale_factor=2.0)
        joined = self.join8(self.lateral8(stride8) + middle)
        known = [functional.interpolate(stride16, scale_factor=2.0), functional.interpolate(stride32, scale_factor=4.0)]
        return torch.cat([joined, known[0], known[1]], dim=1)


class Judge(torch.nn.Module):  # type: ignore[misc]
    """Opinions on boxes: those that they are proposed with, corrected by what the feature map shows around each."""

    def __init__(self, width: int, known: int, kinds: int, *, inner: int = 128) -> None:
        super().__init__()
        self.width = width
        self.known = torch.nn.LayerNorm(known)
        self.looked = torch.nn.Sequential(
            _normed(width, width, 3),
            torch.nn.Conv2d(width, inner, 3, stride=2, padding=1),
            torch.nn.ReLU(inplace=True),
            torch.nn.Flatten(),
            torch.nn.Linear(inner * 16, inner),
            torch.nn.ReLU(inplace=True),
        )
        self.said = torch.nn.Linear(inner + known, 5)
        self.kinds = torch.nn.Linear(inner + known, max(kinds, 1))
        self.trust = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        for last in (self.said, self.kinds):
            torch.nn.init.normal_(last.weight, std=0.01)
            torch.nn.init.zeros_(last.bias)

    def forward(self, features: Tensor, asked: Proposed, owner: Tensor) -> Opinions:
        """Boxes in pixels of the network's image, `owner` (n,) int64 which of the batch each lies on."""
        around = _pooled(features, asked.boxes, owner)
        within = around[:, self.width :, 1:6, 1:6].mean(dim=[2, 3])
        seen = torch.cat([self.looked(around[:, : self.width]), self.known(within)], dim=1)
        said = self.said(seen)
        fit = said[:, 0] + self.trust[0] * asked.fit
        return Opinions(fit, said[:, 1:], self.kinds(seen) + self.trust[1] * asked.kinds)


class DetectorNetwork(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, encoder: Encoder, kinds: int, *, width: int = 64) -> None:
        super().__init__()
        self.encoder = encoder
        self.features = Features(encoder.channels, width)
        self.judge = Judge(width, encoder.channels[3] + encoder.channels[4], kinds)

    def forward(self, colours: Tensor, asked: Proposed, owner: Tensor) -> Opinions:
        """Of (B, 3, H, W) colours in 0..1."""
        opinions: Opinions = self.judge(self.features(*self.encoder(colours)[2:]), asked, owner)
        return opinions


def moved(boxes: Tensor, moves: Tensor) -> Tensor:
    """(n, 4) boxes with each edge moved by a tenth of the box's width or height a unit."""
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + moves.clamp(min=-6.0, max=6.0) * 0.1 * sides


def moves_to(boxes: Tensor, edges: Tensor) -> Tensor:
    """(n, 4) the moves that bring boxes to edges."""
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return (edges - boxes) / (0.1 * sides)


def _pooled(features: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
    """(n, channels, 7, 7): the features at the nodes of a grid over each box and a little around it.

    The batch is laid out as one tall map, so that one call samples all boxes; grids end within their own picture.
    """
    count, width, rows, columns = features.shape[0], features.shape[1], features.shape[2], features.shape[3]
    tall = features.permute(1, 0, 2, 3).reshape(1, width, count * rows, columns)
    steps = torch.linspace(-0.5 * 1.25, 0.5 * 1.25, 7, device=boxes.device)
    middle, sides = (boxes[:, :2] + boxes[:, 2:]) / 2.0, boxes[:, 2:] - boxes[:, :2]
    x = (middle[:, :1] + sides[:, :1] * steps) / 8.0
    y = ((middle[:, 1:] + sides[:, 1:] * steps) / 8.0).clamp(min=0.5, max=rows - 0.5) + owner.unsqueeze(1) * rows
    x, y = 2.0 * x / columns - 1.0, 2.0 * y / (count * rows) - 1.0
    grid = torch.stack([x.unsqueeze(1).expand(-1, 7, -1), y.unsqueeze(2).expand(-1, -1, 7)], dim=3)
    sampled = functional.grid_sample(
        tall, grid.reshape(1, -1, 7, 2), mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled.reshape(width, -1, 7, 7).permute(1, 0, 2, 3)


def _normed(channels: int, width: int, kernel: int) -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False),
        torch.nn.GroupNorm(8, width),
        torch.nn.ReLU(inplace=True),
    )
