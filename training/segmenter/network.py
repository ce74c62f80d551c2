"""The segmenter's network: a U-Net (Ronneberger et al., MICCAI 2015) that corrects a first guess of the mask.

The first guess is release 0's, by contrast and colour: with few photos it does not have to be learnt what stands out.
The guess, and where the object is, are drawn beside the features of every level, so the encoder sees the crop alone, as
it was trained to.
"""

import torch
from torch import Tensor
from torch.nn import functional

from training.contrast.segmenter import ContrastSegmenter
from training.learning.encoders import Encoder

NAME = "guess-unet-1"
"""Weights of networks of one name fit each other."""
TOLD = 5
"""Channels of what is told: see `told`."""
_WIDTHS = (96, 64, 48, 32)


class Decoder(torch.nn.Module):  # type: ignore[misc]
    """From the encoder's features at strides 2 to 32 to the object's logits at stride 2."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        deep, coming = _WIDTHS[0], channels[4]
        self.deepest = _normed(coming + TOLD, deep, 1)
        self.up16 = _normed(deep + channels[3] + TOLD, _WIDTHS[0], 3)
        self.up8 = _normed(_WIDTHS[0] + channels[2] + TOLD, _WIDTHS[1], 3)
        self.up4 = _normed(_WIDTHS[1] + channels[1] + TOLD, _WIDTHS[2], 3)
        self.up2 = _normed(_WIDTHS[2] + channels[0] + TOLD, _WIDTHS[3], 3)
        self.last = torch.nn.Conv2d(_WIDTHS[3], 1, 3, padding=1)
        self.trust = torch.nn.Parameter(torch.ones([]))
        torch.nn.init.normal_(self.last.weight, std=0.01)
        torch.nn.init.zeros_(self.last.bias)

    def forward(
        self, stride2: Tensor, stride4: Tensor, stride8: Tensor, stride16: Tensor, stride32: Tensor, told: Tensor
    ) -> Tensor:
        """(B, h, w) logits; `told` is (B, 5, h, w) at stride 2."""
        deep = self.deepest(_beside([stride32], told))
        deep = self.up16(_beside([stride16, _doubled(deep)], told))
        deep = self.up8(_beside([stride8, _doubled(deep)], told))
        deep = self.up4(_beside([stride4, _doubled(deep)], told))
        deep = self.up2(_beside([stride2, _doubled(deep)], told))
        return self.last(deep)[:, 0] + self.trust * (4.0 * told[:, 0] - 2.0)


class SegmenterNetwork(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(encoder.channels)

    def forward(self, colours: Tensor, told: Tensor) -> Tensor:
        """(B, H/2, W/2) logits of (B, 3, H, W) colours in 0..1; `told` (B, 5, H/2, W/2)."""
        return self.decoder(*self.encoder(colours), told)


def first_guess() -> ContrastSegmenter:
    """What the network corrects. Coarser and with fewer rounds than release 0's: as good a start in half the time."""
    return ContrastSegmenter(grid_px=112, rounds=3)


def told(guess: Tensor, box: Tensor, by_point: Tensor) -> Tensor:
    """(5, h, w): the guess, whether in the box or near the point, how far aside and down in half boxes, if by a point.

    `guess` (h, w), at stride 2, is the object's share of each cell as guessed. `box` (4,), in pixels of the network's
    image, is the object's or a window around the point. `by_point` (1,) is 0 or 1.
    """
    height, width = guess.shape[0], guess.shape[1]
    x = (torch.arange(width, device=box.device) + 0.5) * 2.0
    y = (torch.arange(height, device=box.device) + 0.5) * 2.0
    half = ((box[2:] - box[:2]) / 2.0).clamp(min=1.0)
    middle = (box[2:] + box[:2]) / 2.0
    aside = ((x - middle[0]) / half[0]).clamp(min=-3.0, max=3.0).unsqueeze(0).expand(height, width)
    down = ((y - middle[1]) / half[1]).clamp(min=-3.0, max=3.0).unsqueeze(1).expand(height, width)
    inside = torch.sigmoid(10.0 * (1.0 - torch.maximum(aside.abs(), down.abs())))
    near = torch.exp(-30.0 * (aside**2 + down**2))
    flag = by_point.reshape(1, 1).expand(height, width)
    return torch.stack([guess, inside * (1.0 - flag) + near * flag, aside, down, flag])


def _beside(maps: list[Tensor], told: Tensor) -> Tensor:
    size = [maps[0].shape[2], maps[0].shape[3]]
    maps.append(functional.adaptive_avg_pool2d(told, size))
    return torch.cat(maps, dim=1)


def _doubled(values: Tensor) -> Tensor:
    return functional.interpolate(values, scale_factor=2.0, mode="nearest")


def _normed(channels: int, width: int, kernel: int) -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False),
        torch.nn.GroupNorm(8, width),
        torch.nn.ReLU(inplace=True),
    )
