"""The detector as an endpoint serves it."""

import torch
from torch import Tensor
from torch.nn import functional

from training.contrast.detector import best_of_each_place
from training.detector.network import Features, Judge, moved
from training.detector.proposals import Proposals, Proposed


class ServedDetector(torch.nn.Module):  # type: ignore[misc]
    """Proposed boxes are judged and moved, judged again where they are then, and the best of each place is kept.

    All is asked of the photo and of its mirror image.
    """

    def __init__(
        self,
        encoder: torch.nn.Module,
        features: Features,
        judge: Judge,
        proposals: Proposals,
        side_px: int,
        *,
        least_score: float = 0.2,
        most: int = 300,
    ) -> None:
        super().__init__()
        self.proposals = proposals
        self.encoder = encoder
        self.features = features
        self.judge = judge
        self.side_px = side_px
        self.least_score = least_score
        self.most = most

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of a uint8 (3, H, W) sRGB image: boxes (n, 4) float32, label indices (n,) int64 and scores (n,) float32.

        Best first.
        """
        return self.judged(image, self.proposals(image))

    def judged(self, image: Tensor, proposed: Proposed) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, of what is proposed already."""
        colours = scaled(image, self.side_px)
        height, width = colours.shape[2], colours.shape[3]
        padded = functional.pad(colours, [0, -width % 32, 0, -height % 32], value=0.5)
        features = self.encoder(torch.cat([padded, padded.flip(3)]))
        maps = self.features(features[2], features[3], features[4])
        scale = torch.tensor([image.shape[2] / width, image.shape[1] / height], device=image.device).repeat(2)
        boxes = self._opinions(maps, Proposed(proposed.boxes / scale, proposed.fit, proposed.kinds))[0]
        boxes, scores, labels = self._opinions(maps, Proposed(boxes, proposed.fit, proposed.kinds))
        boxes, scores, labels, scale = boxes.cpu(), scores.cpu(), labels.cpu(), scale.cpu()
        order = scores.argsort(descending=True, stable=True)
        order = order[scores[order] >= self.least_score]
        limit = torch.tensor([width, height, width, height], dtype=torch.float32)
        boxes = torch.minimum(boxes[order].clamp(min=0.0), limit)
        kept = best_of_each_place(boxes, 0.5, 0.85)[: self.most]
        return boxes[kept] * scale, labels[order[kept]], scores[order[kept]]

    def _opinions(self, maps: Tensor, asked: Proposed) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 4) boxes moved, (n,) scores of where they were, (n,) likeliest kinds; photo and mirror image agreed."""
        boxes, width_px = asked.boxes, maps.shape[3] * 8.0
        mirrored = torch.stack([width_px - boxes[:, 2], boxes[:, 1], width_px - boxes[:, 0], boxes[:, 3]], dim=1)
        owner = torch.arange(2, device=boxes.device).repeat_interleave(boxes.shape[0])
        both = Proposed(torch.cat([boxes, mirrored]), asked.fit.repeat(2), asked.kinds.repeat(2, 1))
        said = self.judge(maps, both, owner)
        count = boxes.shape[0]
        back = said.moves[count:]
        moves = (said.moves[:count] + torch.stack([-back[:, 2], back[:, 1], -back[:, 0], back[:, 3]], dim=1)) / 2.0
        scores = (said.fit[:count].sigmoid() + said.fit[count:].sigmoid()) / 2.0
        chances = (said.kinds[:count].softmax(dim=1) + said.kinds[count:].softmax(dim=1)) / 2.0
        chance, labels = chances.max(dim=1)
        return moved(boxes, moves), scores * chance.sqrt(), labels


def scaled(image: Tensor, side_px: int) -> Tensor:
    """(1, 3, h, w) colours in 0..1 of a uint8 (3, H, W) image, its long side `side_px`."""
    height, width = image.shape[1], image.shape[2]
    longest = max(height, width)
    size = [max(1, (height * side_px + longest // 2) // longest), max(1, (width * side_px + longest // 2) // longest)]
    values = image.unsqueeze(0).to(torch.float32) / 255.0
    if longest > side_px:
        return functional.interpolate(values, size=size, mode="area")
    return functional.interpolate(values, size=size, mode="bilinear", align_corners=False)
