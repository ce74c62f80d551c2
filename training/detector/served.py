"""The detector as an endpoint serves it."""

import torch
from torch import Tensor
from torch.nn import functional

from training.contrast.detector import best_of_each_place
from training.detector.assignment import overlaps
from training.detector.impression import Impression
from training.detector.network import Finder


class ServedDetector(torch.nn.Module):  # type: ignore[misc]
    """Asked of the photo and of its mirror image; the best of each place is kept, and all others there vote on it."""

    def __init__(
        self,
        encoder: torch.nn.Module,
        finder: Finder,
        side_px: int,
        *,
        least_score: float = 0.05,
        most: int = 300,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.impression = Impression(int(encoder.channels[4]))
        self.finder = finder
        self.side_px = side_px
        self.least_score = least_score
        self.most = most

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of a uint8 (3, H, W) sRGB image: boxes (n, 4) float32, label indices (n,) int64 and scores (n,) float32.

        Best first. Last the photo's impression.
        """
        colours = scaled(image, self.side_px)
        height, width = colours.shape[2], colours.shape[3]
        padded = self._padded(colours)
        features = self.encoder(torch.cat([padded, padded.flip(3)]))
        found = self.finder(features[2], features[3], features[4])
        chances, kinds = found.kinds.softmax(dim=2).max(dim=2)
        scores = (found.fit.sigmoid() * chances.sqrt()).flatten().cpu()
        mirrored = padded.shape[3] - found.boxes[1]
        turned_back = torch.stack([mirrored[:, 2], found.boxes[1, :, 1], mirrored[:, 0], found.boxes[1, :, 3]], dim=1)
        order = scores.argsort(descending=True, stable=True)
        order = order[scores[order] >= self.least_score][: 8 * self.most]
        limit = torch.tensor([width, height, width, height], dtype=torch.float32)
        boxes = torch.cat([found.boxes[0], turned_back]).cpu()[order]
        boxes = torch.minimum(boxes.clamp(min=0.0), limit)
        kept = best_of_each_place(boxes, 0.55, 1.1)[: self.most]
        scale = torch.tensor([image.shape[2] / width, image.shape[1] / height]).repeat(2)
        moved = voted(boxes, kept, scores[order]) * scale
        impression = self.impression(features[4].mean(dim=[0, 2, 3]).cpu())
        return moved, kinds.flatten().cpu()[order[kept]], scores[order[kept]], impression

    def deepest(self, image: Tensor) -> Tensor:
        """(channels,) means of the encoder's deepest features of a uint8 (3, H, W) sRGB image."""
        padded = self._padded(scaled(image, self.side_px))
        return self.encoder(torch.cat([padded, padded.flip(3)]))[4].mean(dim=[0, 2, 3]).cpu()

    def _padded(self, colours: Tensor) -> Tensor:
        return functional.pad(colours, [0, -colours.shape[3] % 32, 0, -colours.shape[2] % 32], value=0.5)


def voted(boxes: Tensor, kept: Tensor, scores: Tensor) -> Tensor:
    """(k, 4) the kept boxes, each moved to the mean of all that nearly cover it, the surer and nearer ones first.

    Box voting: Gidaris & Komodakis, ICCV 2015.
    """
    iou = overlaps(boxes[kept].unsqueeze(1), boxes.unsqueeze(0)).iou
    votes = iou * (iou > 0.7) * scores.unsqueeze(0)
    return (votes @ boxes) / votes.sum(dim=1, keepdim=True).clamp(min=1e-9)


def scaled(image: Tensor, side_px: int) -> Tensor:
    """(1, 3, h, w) colours in 0..1 of a uint8 (3, H, W) image, its long side `side_px`."""
    height, width = image.shape[1], image.shape[2]
    longest = max(height, width)
    size = [max(1, (height * side_px + longest // 2) // longest), max(1, (width * side_px + longest // 2) // longest)]
    values = image.unsqueeze(0).to(torch.float32) / 255.0
    if longest > side_px:
        return functional.interpolate(values, size=size, mode="area")
    return functional.interpolate(values, size=size, mode="bilinear", align_corners=False)
