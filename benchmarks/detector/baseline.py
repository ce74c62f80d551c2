"""`python -m benchmarks.detector.baseline TRAIN_FOLDER BASE END_S`: a plain detector, in the training environment.

Ours' encoder and first weights, a feature pyramid (Lin et al., CVPR 2017) down to stride 4, and CenterNet's head and
losses (Zhou et al., "Objects as points", arXiv:1904.07850): a heat map a kind, offset and size. AdamW with one cycle,
flips and colour. Until END_S on time.monotonic's clock; leaves `BASE/model` as a training job does.
"""

import json
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision.transforms.v2 as views
from torch import Tensor
from torch.nn import functional
from torchvision.ops import FeaturePyramidNetwork
from torchvision.tv_tensors import BoundingBoxes

from loc360.photo import read_photo
from training.data.dataset import LabelledPhoto, labels_of, read_photos
from training.learning.encoders import Encoder

WIDTH_PX, HEIGHT_PX, STRIDE = 640, 480, 4
_BATCH, _CHANNELS, _RATE, _ENCODER_SHARE, _SIZE_WEIGHT = 4, 64, 0.002, 0.5, 0.1
_EXPORT_S = 5.0
Sample = tuple[Tensor, Tensor, Tensor]
"""(3, H, W) uint8, (n, 4) boxes, (n,) kinds."""


class CenterNet(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, encoder: torch.nn.Module, channels: list[int], kinds: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.pyramid = FeaturePyramidNetwork(channels[1:], _CHANNELS, norm_layer=partial(torch.nn.GroupNorm, 8))
        self.heat, self.offset, self.size = _head(kinds), _head(2), _head(2)
        torch.nn.init.normal_(self.heat[-1].weight, std=0.001)
        torch.nn.init.constant_(self.heat[-1].bias, -2.19)  # 0.1 everywhere at first, as the paper has it

    def forward(self, colours: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Heat logits (B, kinds, h, w), offset and size (B, 2, h, w) in places, of (B, 3, H, W) in 0..1."""
        maps = self.encoder(colours)
        fine = self.pyramid({"4": maps[1], "8": maps[2], "16": maps[3], "32": maps[4]})["4"]
        return self.heat(fine).float(), self.offset(fine).float(), self.size(fine).float().clamp(max=5.0).exp() * 8


class Served(torch.nn.Module):  # type: ignore[misc]
    """uint8 (3, H, W) -> boxes (n, 4), kinds (n,), scores (n,), best first: the peaks of the heat map."""

    def __init__(self, network: CenterNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        colours = functional.interpolate(image[None].float() / 255, size=[480, 640], mode="bilinear", antialias=True)
        heat, offset, size = self.network(colours)
        heat = heat.sigmoid()
        peaks = (heat * (functional.max_pool2d(heat, 3, 1, 1) == heat)).flatten()
        scores, order = peaks.topk(300)
        count = heat.shape[2] * heat.shape[3]
        place = order % count
        at = torch.stack([place % heat.shape[3], place // heat.shape[3]], 1) + offset[0].flatten(1)[:, place].T
        half = size[0].flatten(1)[:, place].T.clamp(min=0) / 2
        scale = torch.tensor([image.shape[2] / heat.shape[3], image.shape[1] / heat.shape[2]])
        return torch.cat([(at - half) * scale, (at + half) * scale], 1), order // count, scores


def main(train: Path, base: Path, end_s: float) -> None:
    torch.manual_seed(0)
    photos = read_photos(train)
    labels = labels_of(photos)
    encoder = Encoder("tf_efficientnet_lite0", "package")
    network = CenterNet(encoder, encoder.channels, len(labels)).to(memory_format=torch.channels_last)
    steps = _learn(network, [_sample(photo, labels) for photo in photos], end_s - _EXPORT_S)
    network = network.eval()
    network.encoder = encoder.traced()
    about = {"labels": labels, "steps": steps, "epochs": steps * _BATCH / len(photos)}
    (base / "model").mkdir()
    (base / "model/model.json").write_text(json.dumps(about))
    torch.jit.script(Served(network)).save(str(base / "model/model.pt"))


def _head(channels: int) -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(_CHANNELS, channels, 1)
    )


def _learn(network: CenterNet, samples: Sequence[Sample], end_s: float) -> int:
    """The number of steps."""
    trained = [weights for weights in network.encoder.parameters() if weights.requires_grad]
    new = [weights for name, weights in network.named_parameters() if not name.startswith("encoder.")]
    rates = (_RATE * _ENCODER_SHARE, _RATE)
    optimizer = torch.optim.AdamW([{"params": part} for part in (trained, new)], lr=_RATE)
    begun_s, steps, order = time.monotonic(), 0, torch.zeros(0, dtype=torch.int64)
    while (done := (time.monotonic() - begun_s) / max(end_s - begun_s, 1e-3)) < 1:
        share = done / 0.1 if done < 0.1 else (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        if len(order) < _BATCH:
            order = torch.cat([order, torch.randperm(len(samples))])
        chosen, order = [_augmented(samples[index]) for index in order[:_BATCH]], order[_BATCH:]
        colours = torch.stack([image for image, _, _ in chosen]).contiguous(memory_format=torch.channels_last)
        network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            seen = network(colours)
        loss = _loss(seen, chosen)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        steps += 1
    return steps


def _loss(seen: tuple[Tensor, Tensor, Tensor], chosen: Sequence[Sample]) -> Tensor:
    """Focal on the heat, absolute on offset and size at the objects' middles."""
    heat, offset, size = seen
    logs, chances = functional.logsigmoid(heat), heat.sigmoid().clamp(1e-6, 1 - 1e-6)
    wanted, apart, count = torch.zeros_like(heat), heat.new_zeros(()), 0
    for index, (_, boxes, kinds) in enumerate(chosen):
        middles, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2 / STRIDE, (boxes[:, 2:] - boxes[:, :2]) / STRIDE
        for middle, extent, kind in zip(middles, sizes, kinds.tolist(), strict=True):
            x, y = min(int(middle[0]), heat.shape[3] - 1), min(int(middle[1]), heat.shape[2] - 1)
            _draw(wanted[index, kind], x, y, extent)
            off = (offset[index, :, y, x] - (middle - torch.tensor([x, y]))).abs().sum()
            apart = apart + off + _SIZE_WEIGHT * (size[index, :, y, x] - extent).abs().sum()
            count += 1
    there = wanted == 1
    focal = torch.where(there, (1 - chances) ** 2 * logs, (1 - wanted) ** 4 * chances**2 * (logs - heat))
    return (apart - focal.sum()) / max(count, 1)


def _draw(heat: Tensor, x: int, y: int, extent: Tensor) -> None:
    """A Gaussian of 1 at the object's middle, as wide as boxes there still overlap it by 0.7 (CornerNet's radius)."""
    width, height = max(float(extent[0]), 1e-3), max(float(extent[1]), 1e-3)
    radius = max(0, int((width + height - math.sqrt((width + height) ** 2 - 4 * width * height * 0.3 / 1.7)) / 2))
    reach, sigma = torch.arange(-radius, radius + 1), (2 * radius + 1) / 6
    bell = torch.exp(-(reach**2) / (2 * sigma**2))
    left, right = min(x, radius), min(heat.shape[1] - x, radius + 1)
    up, down = min(y, radius), min(heat.shape[0] - y, radius + 1)
    part = heat[y - up : y + down, x - left : x + right]
    shape = bell[radius - up : radius + down, None] * bell[None, radius - left : radius + right]
    torch.maximum(part, shape, out=part)


def _augmented(sample: Sample) -> Sample:
    image, boxes, kinds = sample
    look = views.Compose([
        views.RandomHorizontalFlip(), views.RandomVerticalFlip(), views.ColorJitter(0.3, 0.3, 0.3, 0.02),
        views.ToDtype(torch.float32, scale=True),
    ])  # fmt: skip
    seen, moved = look(image, BoundingBoxes(boxes, format="XYXY", canvas_size=(HEIGHT_PX, WIDTH_PX)))
    return seen, moved.as_subclass(Tensor), kinds


def _sample(photo: LabelledPhoto, labels: Sequence[str]) -> Sample:
    small = cv2.resize(read_photo(str(photo.file)), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    scale = np.tile([WIDTH_PX / photo.width_px, HEIGHT_PX / photo.height_px], 2)
    boxes = np.array([thing.box_px for thing in photo.objects], np.float32).reshape(-1, 4) * scale
    kinds = [labels.index(thing.label or "") for thing in photo.objects]
    image = torch.from_numpy(small.transpose(2, 0, 1).copy())
    return image, torch.from_numpy(boxes.astype(np.float32)), torch.tensor(kinds, dtype=torch.int64)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
