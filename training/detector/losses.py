"""How far off the network is, of what it should say of a batch of pictures."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from training.detector.assignment import assigned, overlaps
from training.detector.network import Seen

_FIT, _EDGES, _KIND = 1.0, 2.0, 0.5


class Batch(NamedTuple):
    """B pictures."""

    colours: Tensor
    """(B, 3, H, W) float32 in 0..1."""
    boxes: Sequence[Tensor]
    """(n, 4) float32 each, in pixels."""
    kinds: Sequence[Tensor]
    """(n,) int64 each, negative where unknown."""


def losses(seen: Seen, batch: Batch) -> dict[str, Tensor]:
    """Weighted; what is far from its object weighs more among those that are sure of nothing being there.

    The weight of empty places is that of the varifocal loss (Zhang et al., CVPR 2021).
    """
    with torch.no_grad():
        truth = [
            assigned(seen, index, *of_one) for index, of_one in enumerate(zip(batch.boxes, batch.kinds, strict=True))
        ]
        wanted, owner = torch.stack([of.wanted for of in truth]), torch.stack([of.object for of in truth])
        boxes, kinds = _of_owners(batch.boxes, owner), _of_owners(batch.kinds, owner)
    answers, total = owner >= 0, wanted.sum().clamp(min=1)
    chance = seen.fit.detach().sigmoid()
    weight = torch.where(answers, torch.ones_like(chance), 0.75 * chance**2)
    fit = functional.binary_cross_entropy_with_logits(seen.fit, wanted, weight=weight, reduction="sum")
    share = wanted[answers]
    apart = 1 - overlaps(seen.boxes[answers], boxes).generalized
    named = share * (kinds >= 0)
    kind = functional.cross_entropy(seen.kinds[answers], kinds.clamp(min=0), reduction="none", label_smoothing=0.02)
    return {
        "fit": _FIT * fit / total,
        "edges": _EDGES * (apart * share).sum() / total,
        "kind": _KIND * (kind * named).sum() / total,
    }


def _of_owners(values: Sequence[Tensor], owner: Tensor) -> Tensor:
    """(answering places, ...) the value of the object that each answers for, in the order of `owner >= 0`."""
    return torch.cat([of_picture[index[index >= 0]] for of_picture, index in zip(values, owner, strict=True)])
