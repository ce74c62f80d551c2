"""Whether the exported model says what the learnt one says, on photos of the training.

An endpoint runs the export, and nobody looks at it there before it is released.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.data.dataset import LabelledPhoto, evenly_spaced
from training.errors import JobFailed
from training.looks.pictures import Album
from training.segmenter.measured import asked, true_crops

BOX_PX, SCORE, MASK_IOU = 0.5, 1e-3, 0.999
"""Tolerances: most pixels between edges, most between scores, least IoU of masks."""
_PHOTOS, _SIDE_PX = 4, 1024
_WARMING = 3
"""Calls after which TorchScript has optimised a module, as an endpoint makes before it says that it is there."""

Model = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Parity:
    """The worst that was seen."""

    compared: int = 0
    """Photos, or crops and points of them."""
    box_px: float = 0.0
    score: float = 0.0
    mask_iou: float = 1.0

    @property
    def holds(self) -> bool:
        return self.box_px <= BOX_PX and self.score <= SCORE and self.mask_iou >= MASK_IOU

    def described(self) -> dict[str, Any]:
        """As in `model.json`."""
        return asdict(self) | {"tolerance": {"box_px": BOX_PX, "score": SCORE, "mask_iou": MASK_IOU}}

    def with_another(self, *, box_px: float = 0.0, score: float = 0.0, mask_iou: float = 1.0) -> "Parity":
        return Parity(self.compared + 1, max(self.box_px, box_px), max(self.score, score), min(self.mask_iou, mask_iou))


def checked_parity(role: str, eager: Model, scripted: Model, photos: Sequence[LabelledPhoto]) -> Parity:
    """Raises JobFailed if they differ by more than the tolerance."""
    parity = Parity()
    album = Album(evenly_spaced(photos, _PHOTOS), (), _SIDE_PX)
    with torch.inference_mode():
        for arguments in _photos(album) if role == "detector" else _crops(album):
            for _ in range(0 if parity.compared else _WARMING):
                scripted(*arguments)
            one, other = eager(*arguments), scripted(*arguments)
            parity = _with_finds(parity, one, other) if role == "detector" else _with_masks(parity, one, other)
    if not parity.holds:
        raise JobFailed(
            f"The exported {role} differs from the learnt one beyond the tolerance: {parity.described()}. Nothing was"
            " registered. Report the encoder and the versions of torch and timm; another encoder may do."
        )
    return parity


def _photos(album: Album) -> Iterator[tuple[Tensor]]:
    for index in range(len(album)):
        yield (torch.from_numpy(album.picture(index).image.transpose(2, 0, 1).copy()),)


def _crops(album: Album) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """By box, and by the point in its middle."""
    for crop in true_crops(album, 2 * _PHOTOS):
        image, box, _ = asked(crop, torch.device("cpu"))
        yield image, box, None
        yield image, box, (box[:2] + box[2:]) / 2


def _with_finds(parity: Parity, one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> Parity:
    """Each find and the nearest of the same label, both ways; the faintest may be on one side only."""
    scores = torch.cat([one[2], other[2]])
    if not len(scores):
        return parity.with_another()
    faintest = float(scores.min()) + SCORE
    for boxes, labels, own, others in ((*one[:3], other), (*other[:3], one)):
        for box, label, score in zip(boxes, labels, own, strict=True):
            same = others[1] == label
            if not bool(same.any()):
                off, apart = np.inf, np.inf
            else:
                distances = (others[0][same] - box).abs().amax(dim=1)
                nearest = int(distances.argmin())
                off, apart = float(distances[nearest]), abs(float(others[2][same][nearest] - score))
            if not (off > BOX_PX and float(score) <= faintest):
                parity = parity.with_another(box_px=off, score=apart)
    return parity


def _with_masks(parity: Parity, one: Tensor, other: Tensor) -> Parity:
    united = int((one | other).sum())
    return parity.with_another(mask_iou=int((one & other).sum()) / united if united else 1.0)
