"""The segmenter as an endpoint serves it."""

import torch
from torch import Tensor
from torch.nn import functional

from training.contrast.touching import whole_object
from training.segmenter.network import Decoder, first_guess, told


class ServedSegmenter(torch.nn.Module):  # type: ignore[misc]
    """The crop is laid on a grey square, as in training; of the mask the one object is kept."""

    def __init__(self, encoder: torch.nn.Module, decoder: Decoder, side_px: int) -> None:
        super().__init__()
        self.first = first_guess()
        self.encoder = encoder
        self.decoder = decoder
        self.side_px = side_px

    def forward(self, image: Tensor, box: Tensor, point: Tensor | None) -> Tensor:
        """(h, w) bool mask of the object in a uint8 (3, h, w) sRGB crop.

        `box` (4,) and `point` (2,) are float32 pixels of the crop. A box alone is taken as about tight; with a point it
        says only about how large the object is, which is the one at the point.
        """
        chance = self.chance(image, box, point).cpu()
        box = box.cpu()
        middle = (box[:2] + box[2:]) / 2.0 if point is None else point.cpu()
        reach = ((box[2:] - box[:2]).clamp(min=2.0) / (3.0 if point is None else 12.0)).clamp(min=1.5)
        x = (torch.arange(chance.shape[1]) + 0.5 - middle[0]) / reach[0]
        y = (torch.arange(chance.shape[0]) + 0.5 - middle[1]) / reach[1]
        seed = torch.exp(-(x**2).unsqueeze(0) - (y**2).unsqueeze(1))
        mask = chance > 0.5
        return whole_object(mask, seed * mask) if bool(mask.any()) else mask

    def chance(self, image: Tensor, box: Tensor, point: Tensor | None) -> Tensor:
        """(h, w) of each pixel being the object's."""
        height, width = image.shape[1], image.shape[2]
        square, scale, left, top = squared(image, self.side_px)
        guess = self.first(image.cpu(), box.cpu(), None if point is None else point.cpu()).to(torch.float32)
        by_point = torch.ones([1], device=image.device)
        if point is None:
            by_point = torch.zeros([1], device=image.device)
        else:
            half = (box[2:] - box[:2]) / 2.0
            box = torch.cat([point - half, point + half])
        shift = torch.tensor([left, top, left, top], dtype=torch.float32, device=image.device)
        prompt = told(self._laid(guess.to(image.device), left, top), box * scale + shift, by_point)
        features = self.encoder(square)
        logits = self.decoder(features[0], features[1], features[2], features[3], features[4], prompt.unsqueeze(0))
        fine = functional.interpolate(logits.unsqueeze(0), scale_factor=2.0, mode="bilinear", align_corners=False)
        shown_height, shown_width = shown_size(height, width, self.side_px)
        shown = fine[:, :, top : top + shown_height, left : left + shown_width]
        return functional.interpolate(shown, size=[height, width], mode="bilinear", align_corners=False)[0, 0].sigmoid()

    def _laid(self, guess: Tensor, left: int, top: int) -> Tensor:
        """(side/2, side/2) of a guess (h, w) of the crop."""
        size = shown_size(guess.shape[0], guess.shape[1], self.side_px)
        shown = functional.interpolate(guess[None, None], size=size, mode="area")
        edges = [left, self.side_px - size[1] - left, top, self.side_px - size[0] - top]
        return functional.avg_pool2d(functional.pad(shown, edges), 2)[0, 0]


def squared(image: Tensor, side_px: int) -> tuple[Tensor, Tensor, int, int]:
    """(1, 3, side, side) colours of a uint8 (3, h, w) crop in the middle of grey, (4,) its scale, its left and top."""
    height, width = image.shape[1], image.shape[2]
    size = shown_size(height, width, side_px)
    values = image.unsqueeze(0).to(torch.float32) / 255.0
    if max(height, width) > side_px:
        values = functional.interpolate(values, size=size, mode="area")
    else:
        values = functional.interpolate(values, size=size, mode="bilinear", align_corners=False)
    left, top = (side_px - size[1]) // 2, (side_px - size[0]) // 2
    edges = [left, side_px - size[1] - left, top, side_px - size[0] - top]
    scale = torch.tensor([size[1] / width, size[0] / height], device=image.device).repeat(2)
    return functional.pad(values, edges, value=0.5), scale, left, top


def shown_size(height: int, width: int, side_px: int) -> list[int]:
    longest = max(height, width)
    return [max(1, (height * side_px + longest // 2) // longest), max(1, (width * side_px + longest // 2) // longest)]
