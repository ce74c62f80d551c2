"""What a photo is like to the encoder, in a few numbers, so that an endpoint sees drift that colours and sizes hide."""

import torch
from torch import Tensor

NUMBERS = 4


class Impression(torch.nn.Module):  # type: ignore[misc]
    """Where a photo lies along the directions in which photos of the training differ most (principal components).

    In their standard deviations from the mean. All 0 before it is fitted.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("axes", torch.zeros(NUMBERS, channels))

    def fit(self, deepest: Tensor) -> None:
        """To (n, channels), each photo's means of the encoder's deepest features."""
        self.centre.copy_(deepest.mean(dim=0))
        _, lengths, directions = torch.linalg.svd(deepest - self.centre, full_matrices=False)
        spread = lengths / max(len(deepest) - 1, 1) ** 0.5
        told = int((spread[:NUMBERS] > 1e-6).sum())
        self.axes.zero_()
        self.axes[:told] = directions[:told] / spread[:told, None]

    def forward(self, deepest: Tensor) -> Tensor:
        """(NUMBERS,) of (channels,)."""
        return torch.mv(self.axes, deepest - self.centre)
