"""Masks grown and shrunk by a pixel at a time; (B, H, W) bool. Beyond the photo lies more of the same."""

import torch
from torch import Tensor


def grown(masks: Tensor, *, cross: bool) -> Tensor:
    """By a 3x3 cross or square."""
    # written out, for TorchScript drops a |= on a slice
    column = masks.clone()
    column[:, 1:] = column[:, 1:] | masks[:, :-1]
    column[:, :-1] = column[:, :-1] | masks[:, 1:]
    source = masks if cross else column
    both = column.clone()
    both[:, :, 1:] = both[:, :, 1:] | source[:, :, :-1]
    both[:, :, :-1] = both[:, :, :-1] | source[:, :, 1:]
    return both


def eroded(masks: Tensor, *, cross: bool) -> Tensor:
    """By a 3x3 cross or square."""
    return ~grown(~masks, cross=cross)


def depth(mask: Tensor, most: int = 100) -> Tensor:
    """(H, W) float32: how many erosions, cross and square by turns as 2 to 1, each pixel of (H, W) bool outlives."""
    left = mask.unsqueeze(0)
    outlived = torch.zeros_like(mask, dtype=torch.float32)
    step = 0
    while step < most and bool(left.any()):
        outlived = outlived + left[0].to(torch.float32)
        left = eroded(left, cross=step % 3 != 1)
        step += 1
    return outlived
