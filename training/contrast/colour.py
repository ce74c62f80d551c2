"""From sRGB bytes to CIE L*a*b*, where distances are roughly what an eye sees."""

import torch
from torch import Tensor
from torch.nn import functional


def srgb_to_lab(image: Tensor) -> Tensor:
    """CIE 1976 L*a*b* under D65 of sRGB in 0..1; both (3, H, W) float32.

    Linearisation and matrix: IEC 61966-2-1. Lab: CIE 15:2004, 8.2.1.
    """
    linear = torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    red, green, blue = linear[0], linear[1], linear[2]
    x = _cube_root((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
    y = _cube_root(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    z = _cube_root((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883)
    return torch.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)])


def scaled_to_side(image: Tensor, side_px: int) -> Tensor:
    """Colours in 0..1, (3, h, w) float32, of a uint8 (3, H, W) image; long side at most `side_px`, areas averaged."""
    height, width = image.shape[1], image.shape[2]
    values = image.to(torch.float32) / 255.0
    longest = max(height, width)
    if longest <= side_px:
        return values
    small = [max(1, height * side_px // longest), max(1, width * side_px // longest)]
    return functional.interpolate(values.unsqueeze(0), size=small, mode="area")[0]


def box_mean(values: Tensor, radius: int) -> Tensor:
    """Mean over a (2 radius + 1)² window, at the edges over what lies inside; (C, H, W) float32."""
    side = 2 * radius + 1
    rows = functional.avg_pool2d(
        values.unsqueeze(0), kernel_size=[1, side], stride=[1, 1], padding=[0, radius], count_include_pad=False
    )
    return functional.avg_pool2d(
        rows, kernel_size=[side, 1], stride=[1, 1], padding=[radius, 0], count_include_pad=False
    )[0]


def _cube_root(ratio: Tensor) -> Tensor:
    """CIE's f: the cube root, linear near black."""
    return torch.where(
        ratio > 216.0 / 24389.0, ratio.clamp(min=1e-6) ** (1.0 / 3.0), (841.0 / 108.0) * ratio + 4.0 / 29.0
    )
