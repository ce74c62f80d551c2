"""What is thought before anything is learnt: release 0's candidates, by contrast and colour.

The training starts from its opinions, so that with few photos it does not have to find out what stands out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from training.contrast.colour import box_mean, scaled_to_side, srgb_to_lab
from training.contrast.detector import ContrastDetector, best_of_each_place
from training.contrast.labels import LABELS
from training.names import folded


class Proposed(NamedTuple):
    """n boxes."""

    boxes: Tensor
    """(n, 4) float32 pixels."""
    fit: Tensor
    """(n,) float32: logit of the box being one whole object, as release 0 sees it; 0 where it has no opinion."""
    kinds: Tensor
    """(n, C) float32: 1 at the kind that release 0 would call it, if that is among the C labels."""


class Proposals(torch.nn.Module):  # type: ignore[misc]
    """Release 0 answers with about seven in a photo; these are the best of its candidates, right or wrong."""

    def __init__(self, labels: Sequence[str], *, most: int = 80) -> None:
        super().__init__()
        first = ContrastDetector()
        self.background, self.candidates, self.cues, self.looks = (
            first.background, first.candidates, first.cues, first.looks,
        )  # fmt: skip
        self.grid_px = first.grid_px
        self.most = most
        same = [[float(folded(label) == folded(known)) for label in labels or ("",)] for known in LABELS]
        self.register_buffer("same", torch.tensor(same))

    def forward(self, image: Tensor) -> Proposed:
        """In pixels of a uint8 (3, H, W) image, likeliest first."""
        lab = srgb_to_lab(scaled_to_side(image, self.grid_px))
        smooth = box_mean(lab, 1)
        distance = self.background(smooth)
        found = self.candidates(lab, distance, self.cues.measured(lab, distance))
        look, strangeness = self.looks(found.means[:, :3], found.axes[:, 0] / found.axes[:, 1])
        scores = self.cues(found, strangeness, smooth, distance)
        order = scores.argsort(descending=True, stable=True)[: 6 * self.most]
        kept = order[best_of_each_place(found.boxes[order], 0.7, 1.1)][: self.most]
        scale = torch.tensor([image.shape[2] / lab.shape[2], image.shape[1] / lab.shape[1]]).repeat(2)
        return Proposed(found.boxes[kept] * scale, torch.logit(scores[kept], eps=1e-3), self.same[look[kept]])
