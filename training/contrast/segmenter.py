"""The segmenter of release 0: which pixels of a crop belong to the object in the box, by colour, place and edges.

As GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004): colour models of object and background are learnt from the
crop itself, in turns with the mask. Histograms stand in for its mixtures and a guided filter for its graph cut.
"""

import torch
from torch import Tensor

from training.contrast.colour import box_mean, scaled_to_side, srgb_to_lab
from training.contrast.edges import along, guided, parting_colour, resized
from training.contrast.histograms import ColourHistograms
from training.contrast.touching import whole_object, without_neighbours


class ContrastSegmenter(torch.nn.Module):  # type: ignore[misc]
    """Learns on a grid of at most `grid_px`; the edge is found in the crop's own resolution."""

    def __init__(self, *, grid_px: int = 160, rounds: int = 5) -> None:
        super().__init__()
        self.grid_px = grid_px
        self.rounds = rounds
        self.filter_radius_px = 3
        self.flat = 4.0
        self.neck = 0.65
        self.histograms = ColourHistograms()

    def forward(self, image: Tensor, box: Tensor, point: Tensor | None) -> Tensor:
        """(h, w) bool mask of the object in a uint8 (3, h, w) sRGB crop.

        `box` (4,) and `point` (2,) are float32 pixels of the crop. A box alone is taken as tight; with a point it says
        only about how large the object is, which is the one at the point.
        """
        height, width = image.shape[1], image.shape[2]
        fine = srgb_to_lab(image.to(torch.float32) / 255.0)
        lab = box_mean(srgb_to_lab(scaled_to_side(image, self.grid_px)), 1)
        scale = torch.tensor([lab.shape[2] / width, lab.shape[1] / height])
        box = box * scale.repeat(2)
        if point is None:
            prior, seed = _in_box(lab.shape[1], lab.shape[2], box)
        else:
            prior, seed = _at_point(lab.shape[1], lab.shape[2], box, point * scale)
        share, guide, direction = self._learnt(lab, prior, seed)

        share = share * without_neighbours(share > 0.5, seed, self.neck)
        slope, offset = guided(guide, share, self.filter_radius_px, self.flat)
        smooth = resized(slope, height, width) * along(fine, direction) + resized(offset, height, width)
        return whole_object(smooth > 0.5, resized(seed, height, width))

    def _learnt(self, lab: Tensor, prior: Tensor, seed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(H, W) the object's share of each pixel, (H, W) the guide that shows its edge best, and (3,) that direction.

        What may be the object teaches the background little, so that shaded sides are not lost to it.
        """
        bins = self.histograms.bins(lab)
        share, guide, direction = seed, lab[0], torch.zeros([3])
        for _ in range(self.rounds):
            odds = self.histograms.log_odds(bins, share, (1.0 - share) * (1.0 - 1.9 * prior))
            share = torch.sigmoid(odds + torch.logit(prior, eps=1e-4))
            direction = parting_colour(lab, share)
            guide = along(lab, direction)
            slope, offset = guided(guide, share, self.filter_radius_px, self.flat)
            share = (slope * guide + offset).clamp(0.0, 1.0)
            share = share * whole_object(share > 0.5, seed)
        return share, guide, direction


def _in_box(height: int, width: int, box: Tensor) -> tuple[Tensor, Tensor]:
    """(H, W) float32: how likely each place is the object's before any colour is seen, and the first guess of the mask.

    Even within the box, a quarter in its corners, next to nothing outside.
    """
    x, y = _pixel_centres(height, width)
    half_x, half_y = ((box[2] - box[0]) / 2.0).clamp(min=1.0), ((box[3] - box[1]) / 2.0).clamp(min=1.0)
    u, v = (x - (box[0] + box[2]) / 2.0).abs() / half_x, (y - (box[1] + box[3]) / 2.0).abs() / half_y
    inside = torch.sigmoid(20.0 * (1.04 - torch.maximum(u, v)))
    from_centre = u**2 + v**2
    corner = (from_centre - 1.0).clamp(min=0.0, max=1.0)
    return inside * (0.5 - 0.25 * corner), inside * torch.exp(-6.0 * from_centre)


def _at_point(height: int, width: int, box: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
    """As `_in_box`, falling off with the distance from the point, by the scale of the box."""
    x, y = _pixel_centres(height, width)
    squared_scale = ((box[2] - box[0]) * (box[3] - box[1]) / 4.0).clamp(min=1.0)
    away = ((x - point[0]) ** 2 + (y - point[1]) ** 2) / squared_scale
    return 0.5 * torch.exp(-0.3 * away) + 0.01, torch.exp(-35.0 * away)


def _pixel_centres(height: int, width: int) -> tuple[Tensor, Tensor]:
    return (torch.arange(width) + 0.5).unsqueeze(0), (torch.arange(height) + 0.5).unsqueeze(1)
