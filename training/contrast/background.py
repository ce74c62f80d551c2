"""What the photo itself says about its background: which colours lie along its borders and all over it."""

import torch
from torch import Tensor


class Background(torch.nn.Module):  # type: ignore[misc]
    """How far each pixel's colour is from the photo's background colours.

    Colours are clustered by k-means (Lloyd, IEEE Trans. Inf. Theory 28 (1982) 129). A cluster is background as far as
    it holds the border and is spread over the photo; one that is neither stays `stranger` away from everything.
    """

    def __init__(self, *, clusters: int = 8, rounds: int = 8, stranger: float = 6.0, sample: int = 6000) -> None:
        super().__init__()
        self.clusters = clusters
        self.rounds = rounds
        self.stranger = stranger
        self.sample = sample
        # shadows and uneven light change L* far more than a* and b*
        self.register_buffer("scale", torch.tensor([[0.5], [1.0], [1.0]]))

    def forward(self, lab: Tensor) -> Tensor:
        """(H, W) float32, in standard deviations of the nearest background colour; `lab` is (3, H, W)."""
        height, width = lab.shape[1], lab.shape[2]
        colours = (lab.flatten(1) * self.scale).t().contiguous()
        stride = max(1, int((colours.shape[0] / self.sample) ** 0.5))
        ys, xs = torch.arange(0, height, stride), torch.arange(0, width, stride)
        y, x = ys.repeat_interleave(xs.shape[0]), xs.repeat(ys.shape[0])
        sample = colours[y * width + x]

        centres = self._kmeans(sample)
        member = torch.cdist(sample, centres).argmin(dim=1)
        presence = self._presence(member, (y + 0.5) / height, (x + 0.5) / width)

        nearest = torch.full([colours.shape[0]], 1e6)
        for k in range(self.clusters):
            own = sample[member == k]
            if own.shape[0] > 0:
                variance = own.var(dim=0, unbiased=False).clamp(min=4.0)
                squared = ((colours - centres[k]) ** 2 / variance).sum(dim=1)
                nearest = torch.minimum(nearest, squared + self.stranger**2 * (1.0 - presence[k]))
        return nearest.clamp(min=0.0).sqrt().reshape(height, width)

    def _kmeans(self, sample: Tensor) -> Tensor:
        """(clusters, 3) centres, started from the mean and then each time the colour farthest from all so far."""
        centres = sample.mean(dim=0, keepdim=True)
        for _ in range(self.clusters - 1):
            farthest = torch.cdist(sample, centres).min(dim=1)[0].argmax()
            centres = torch.cat([centres, sample[farthest].unsqueeze(0)])
        for _ in range(self.rounds):
            member = torch.cdist(sample, centres).argmin(dim=1)
            size = torch.zeros([self.clusters]).index_add_(0, member, torch.ones([member.shape[0]]))
            sums = torch.zeros_like(centres).index_add_(0, member, sample)
            centres = torch.where(size.unsqueeze(1) > 0, sums / size.clamp(min=1.0).unsqueeze(1), centres)
        return centres

    def _presence(self, member: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """(clusters,) in 0..1: 1 for a cluster with a quarter of the border that lies in most cells of a 4x4 grid.

        `y` and `x` are the sample's places as shares of the photo.
        """
        edge = torch.minimum(torch.minimum(x, 1.0 - x), torch.minimum(y, 1.0 - y))
        border = (edge < 0.06).to(torch.float32)
        of_border = torch.zeros([self.clusters]).index_add_(0, member, border) / border.sum().clamp(min=1.0)
        cell = (y * 4.0).to(torch.int64) * 4 + (x * 4.0).to(torch.int64)
        ones = torch.ones([cell.shape[0]])
        held = torch.zeros([self.clusters * 16]).index_add_(0, member * 16 + cell, ones).reshape(self.clusters, 16)
        in_cell = torch.zeros([16]).index_add_(0, cell, ones)
        spread = (held > 0.05 * in_cell).to(torch.float32).sum(dim=1) / (in_cell > 0).to(torch.float32).sum()
        return (4.0 * of_border).clamp(max=1.0) * (1.5 * spread).clamp(max=1.0)
