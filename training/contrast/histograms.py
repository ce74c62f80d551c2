"""Colour models of an object and of what is around it: smoothed joint histograms of L*, a* and b*."""

import torch
from torch import Tensor
from torch.nn import functional


class ColourHistograms(torch.nn.Module):  # type: ignore[misc]
    """Bins are cut to the colours that the crop has; L* gets few, for shading moves it most."""

    def __init__(self, *, lightness_bins: int = 7, colour_bins: int = 14, blurs: int = 2) -> None:
        super().__init__()
        self.shape = [1, lightness_bins, colour_bins, colour_bins]
        self.blurs = blurs
        self.register_buffer("bins_per_channel", torch.tensor([lightness_bins, colour_bins, colour_bins]).unsqueeze(1))
        self.register_buffer("narrowest_bin", torch.tensor([4.0, 2.0, 2.0]).unsqueeze(1))

    def bins(self, lab: Tensor) -> Tensor:
        """(H W,) int64 bin of each pixel of (3, H, W)."""
        colours = lab.flatten(1)
        low, high = colours.min(dim=1, keepdim=True)[0], colours.max(dim=1, keepdim=True)[0]
        width = ((high - low) / self.bins_per_channel).maximum(self.narrowest_bin)
        index = ((colours - low) / width).to(torch.int64).minimum(self.bins_per_channel - 1)
        return (index[0] * self.shape[2] + index[1]) * self.shape[3] + index[2]

    def log_odds(self, bins: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        """(H, W) float32: log of how much likelier each pixel's colour is in the object than around it.

        `inside` and `outside` (H, W) say how much each pixel counts for either.
        """
        of_object, of_background = self._smoothed(bins, inside), self._smoothed(bins, outside)
        ratio = (of_object + 1e-5) / (of_background + 1e-5)
        return ratio.log().clamp(-5.0, 5.0)[bins].reshape(inside.shape)

    def _smoothed(self, bins: Tensor, weight: Tensor) -> Tensor:
        size = self.shape[1] * self.shape[2] * self.shape[3]
        counts = torch.zeros([size]).index_add_(0, bins, weight.flatten()).reshape(self.shape)
        for _ in range(self.blurs):
            counts = functional.avg_pool3d(counts, kernel_size=[3, 3, 3], stride=[1, 1, 1], padding=[1, 1, 1])
        return counts.flatten() / counts.sum().clamp(min=1e-6)
