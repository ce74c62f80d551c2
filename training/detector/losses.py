"""Which boxes the network is asked about in training, what it should say of them, and how far off it is."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from loc360.wire import Box
from training.detector.network import Opinions, moves_to
from training.detector.proposals import Proposed
from training.masks import box_ious
from training.pictures import Floats, Picture

_LEAST_FIT, _WHOLE_FIT = 0.35, 0.85
"""IoU up to which a box is no object's, and from which on it is one's without reserve."""
_TELLING_IOU = 0.4
"""From which on a box tells the kind and the edges of its object."""


def asked(rng: np.random.Generator, picture: Picture, proposed: Proposed, *, count: int = 80) -> Proposed:
    """The proposals, shaken a little; and without any opinion: boxes near objects, heaps of them, some at random."""
    height, width = picture.owner.shape
    there = torch.from_numpy(rng.permutation(len(proposed.boxes))[: count // 2])
    near = _shaken(rng, np.repeat(picture.boxes, 4, axis=0), 0.12)
    near = near[rng.permutation(len(near))[: count // 3]]
    pairs = rng.integers(len(picture.boxes), size=(6, 2)) if len(picture.boxes) > 1 else np.zeros((0, 2), np.int64)
    one, other = picture.boxes[pairs[:, 0]], picture.boxes[pairs[:, 1]]
    heaps = np.concatenate([np.minimum(one[:, :2], other[:, :2]), np.maximum(one[:, 2:], other[:, 2:])], axis=1)
    known = np.concatenate([_shaken(rng, proposed.boxes[there].numpy(), 0.02), near, heaps.reshape(-1, 4)])
    centre = rng.uniform(0, 1, (max(count - len(known), 0), 2)) * (width, height)
    half = np.exp(rng.uniform(np.log(8), np.log(width / 4), (len(centre), 2)))
    boxes = np.concatenate([known, np.concatenate([centre - half, centre + half], axis=1)])[:count]
    boxes = np.clip(boxes, 0, (width, height, width, height))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 4)
    fit, kinds = torch.zeros(count), torch.zeros(count, proposed.kinds.shape[1])
    fit[: len(there)], kinds[: len(there)] = proposed.fit[there], proposed.kinds[there]
    return Proposed(torch.from_numpy(boxes.astype(np.float32)), fit, kinds)


def loss(said: Opinions, boxes: Tensor, pictures: list[Picture], owner: Tensor) -> Tensor:
    """Of the opinions on `boxes` (n, 4), `owner` (n,) being which picture each lies on."""
    fit, edges, kind = (torch.cat(values).to(boxes.device) for values in zip(*(
        _truth(picture, boxes[owner == index].cpu().numpy()) for index, picture in enumerate(pictures)
    ), strict=True))  # fmt: skip
    telling = (fit >= _TELLING_IOU).float()
    named = telling * (kind >= 0)
    wanted = ((fit - _LEAST_FIT) / (_WHOLE_FIT - _LEAST_FIT)).clamp(0, 1)
    off = functional.smooth_l1_loss(said.moves, moves_to(boxes, edges), reduction="none", beta=0.5).mean(dim=1)
    kinds = functional.cross_entropy(said.kinds, kind.clamp(min=0), reduction="none", label_smoothing=0.05)
    return (
        3 * functional.binary_cross_entropy_with_logits(said.fit, wanted)
        + (off * telling).sum() / telling.sum().clamp(min=1)
        + (kinds * named).sum() / named.sum().clamp(min=1)
    )


def _truth(picture: Picture, boxes: Floats) -> tuple[Tensor, Tensor, Tensor]:
    """(n,) IoU with the best fitting object, (n, 4) its edges, (n,) its kind."""
    if not len(picture.boxes):
        return torch.zeros(len(boxes)), torch.from_numpy(boxes), torch.full((len(boxes),), -1)
    ious = box_ious([Box(*box) for box in boxes], [Box(*box) for box in picture.boxes])
    best = ious.argmax(axis=1)
    return (
        torch.from_numpy(ious.max(axis=1)).float(),
        torch.from_numpy(picture.boxes[best]),
        torch.from_numpy(picture.labels[best]),
    )


def _shaken(rng: np.random.Generator, boxes: Floats, spread: float) -> Floats:
    """Each edge moved by about `spread` of the box's sides, some boxes more than others."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    amount = spread * np.exp(rng.normal(0, 0.6, (len(boxes), 1)))
    return np.asarray(boxes + rng.normal(0, 1, boxes.shape) * amount * sides, np.float32)
