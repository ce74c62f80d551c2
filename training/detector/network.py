"""The detector's network: at every place of three feature maps, whether an object is there, its edges and its kind.

Anchor-free, after FCOS (Tian et al., ICCV 2019), on a feature pyramid with a second way down (PANet, Liu et al., CVPR
2018). Whether a box fits an object is learnt from all objects, the object's kind apart from that: few examples of a
kind do no harm.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from training.learning.encoders import Encoder

NAME = "dense-1"
"""Weights of networks of one name fit each other."""
WIDTH = 96


class Seen(NamedTuple):
    """At A places of each of B pictures. Coordinates are pixels of the network's picture."""

    fit: Tensor
    """(B, A) float32: logit of the box fitting an object."""
    kinds: Tensor
    """(B, A, C) float32 logits."""
    boxes: Tensor
    """(B, A, 4) float32 edges."""
    places: Tensor
    """(A, 2) float32: x, y."""


class Pyramid(torch.nn.Module):  # type: ignore[misc]
    """Maps of `width` channels at strides 8, 16 and 32, each knowing of the others."""

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.lateral8, self.lateral16, self.lateral32 = (_normed(count, width, 1) for count in channels[2:])
        self.up16, self.up8 = _normed(width, width, 3), _normed(width, width, 3)
        self.down16, self.down32 = _normed(width, width, 3, stride=2), _normed(width, width, 3, stride=2)
        self.joined16, self.joined32 = _normed(width, width, 3), _normed(width, width, 3)

    def forward(self, stride8: Tensor, stride16: Tensor, stride32: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        deep = self.lateral32(stride32)
        middle = self.up16(self.lateral16(stride16) + functional.interpolate(deep, scale_factor=2.0))
        fine = self.up8(self.lateral8(stride8) + functional.interpolate(middle, scale_factor=2.0))
        middle = self.joined16(middle + self.down16(fine))
        deep = self.joined32(deep + self.down32(middle))
        return fine, middle, deep


class Head(torch.nn.Module):  # type: ignore[misc]
    """The same for all three maps."""

    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.looked = torch.nn.Sequential(_normed(width, width, 3), _normed(width, width, 3))
        self.measured = torch.nn.Sequential(_normed(width, width, 3), _normed(width, width, 3))
        self.fit = torch.nn.Conv2d(width, 1, 3, padding=1)
        self.kinds = torch.nn.Conv2d(width, max(kinds, 1), 3, padding=1)
        self.edges = torch.nn.Conv2d(width, 4, 3, padding=1)
        self.reach = torch.nn.Parameter(torch.ones(3))
        for last, bias in ((self.fit, -4.0), (self.kinds, 0.0), (self.edges, 1.0)):
            torch.nn.init.normal_(last.weight, std=0.01)
            torch.nn.init.constant_(last.bias, bias)

    def forward(self, features: Tensor, level: int, stride: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `Seen`, of one map."""
        looked, measured = self.looked(features), self.measured(features)
        away = functional.softplus(self.edges(measured).float() * self.reach[level]) * (1.5 * stride)
        away = away.flatten(2).transpose(1, 2)
        y, x = torch.meshgrid(
            torch.arange(features.shape[2], device=features.device, dtype=torch.float32),
            torch.arange(features.shape[3], device=features.device, dtype=torch.float32),
            indexing="ij",
        )
        places = (torch.stack([x, y], dim=2).reshape(-1, 2) + 0.5) * stride
        boxes = torch.cat([places - away[..., :2], places + away[..., 2:]], dim=2)
        kinds = self.kinds(looked).float().flatten(2).transpose(1, 2)
        return self.fit(looked).float().flatten(1), kinds, boxes, places


class Finder(torch.nn.Module):  # type: ignore[misc]
    """What is seen in the encoder's features."""

    def __init__(self, channels: list[int], kinds: int, width: int) -> None:
        super().__init__()
        self.pyramid = Pyramid(channels, width)
        self.head = Head(width, kinds)

    def forward(self, stride8: Tensor, stride16: Tensor, stride32: Tensor) -> Seen:
        maps = self.pyramid(stride8, stride16, stride32)
        fine, middle, deep = self.head(maps[0], 0, 8), self.head(maps[1], 1, 16), self.head(maps[2], 2, 32)
        return Seen(
            torch.cat([fine[0], middle[0], deep[0]], dim=1),
            torch.cat([fine[1], middle[1], deep[1]], dim=1),
            torch.cat([fine[2], middle[2], deep[2]], dim=1),
            torch.cat([fine[3], middle[3], deep[3]]),
        )


class DetectorNetwork(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, encoder: Encoder, kinds: int, *, width: int = WIDTH) -> None:
        super().__init__()
        self.encoder = encoder
        self.finder = Finder(encoder.channels, kinds, width)

    def forward(self, colours: Tensor) -> Seen:
        """Of (B, 3, H, W) colours in 0..1; H and W are multiples of 32."""
        seen: Seen = self.finder(*self.encoder(colours)[2:])
        return seen


def _normed(channels: int, width: int, kernel: int, *, stride: int = 1) -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False),
        torch.nn.GroupNorm(8, width),
        torch.nn.SiLU(inplace=True),
    )
