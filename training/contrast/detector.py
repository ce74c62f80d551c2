"""The detector of release 0: candidates, scored by how much they look like one whole vegetable, best of each place."""

import torch
from torch import Tensor

from training.contrast.background import Background
from training.contrast.candidates import LevelSets
from training.contrast.colour import box_mean, scaled_to_side, srgb_to_lab
from training.contrast.cues import Cues
from training.contrast.labels import Looks


class ContrastDetector(torch.nn.Module):  # type: ignore[misc]
    """Works on a grid of at most `grid_px`; boxes come back in pixels of the image given."""

    def __init__(self, *, grid_px: int = 320, least_score: float = 0.5, most: int = 500) -> None:
        super().__init__()
        self.grid_px = grid_px
        self.least_score = least_score
        self.most = most
        self.background = Background()
        self.candidates = LevelSets()
        self.cues = Cues()
        self.looks = Looks()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of a uint8 (3, H, W) sRGB image: boxes (n, 4) float32, label indices (n,) int64 and scores (n,) float32.

        Best first.
        """
        lab = srgb_to_lab(scaled_to_side(image, self.grid_px))
        smooth = box_mean(lab, 1)
        distance = self.background(smooth)
        found = self.candidates(lab, distance, self.cues.measured(lab, distance))
        label, strangeness = self.looks(found.means[:, :3], found.axes[:, 0] / found.axes[:, 1])
        scores = self.cues(found, strangeness, smooth, distance)

        order = scores.argsort(descending=True, stable=True)
        order = order[scores[order] >= self.least_score][: 4 * self.most]
        best = order[best_of_each_place(found.boxes[order])][: self.most]
        scale = torch.tensor([image.shape[2] / lab.shape[2], image.shape[1] / lab.shape[1]]).repeat(2)
        return found.boxes[best] * scale, label[best], scores[best]


def best_of_each_place(boxes: Tensor, most_iou: float = 0.45, most_within: float = 0.85) -> Tensor:
    """(k,) int64: which of the boxes (n, 4), best first, are kept.

    One goes if it overlaps a better one by more than `most_iou` of their union or `most_within` of the smaller, which
    leaves neither parts of a find nor heaps around it.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    low = torch.maximum(boxes[:, :2].unsqueeze(1), boxes[:, :2].unsqueeze(0))
    high = torch.minimum(boxes[:, 2:].unsqueeze(1), boxes[:, 2:].unsqueeze(0))
    common = (high - low).clamp(min=0.0).prod(dim=2)
    smaller = torch.minimum(area.unsqueeze(1), area.unsqueeze(0))
    union = area.unsqueeze(1) + area.unsqueeze(0) - common
    same = (common > most_iou * union) | (common > most_within * smaller)
    kept = torch.ones([boxes.shape[0]], dtype=torch.bool)
    for i in range(boxes.shape[0]):
        if bool(kept[i]):
            kept[i + 1 :] = kept[i + 1 :] & ~same[i, i + 1 :]
    return kept.nonzero().flatten()
