"""How good a segmenter is on photos whose truth is known, while it is trained: its masks, given the true boxes."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_confusion_matrix

from loc360.wire import Image, Mask
from training.learning.lesson import NOTHING_MEASURED, Measured
from training.learning.progress_pictures import confusion_picture
from training.looks.pictures import Album, Floats
from training.segmenter.samples import MARGIN

_MOST_CHECKED, _MOST_SHOWN = 24, 6
_TRUE, _FOUND = (255, 220, 0), (30, 110, 255)


class TrueCrop(NamedTuple):
    """An object as the chain would cut it."""

    image: Image
    """(h, w, 3)"""
    box: Floats
    """(4,) pixels of the crop."""
    truth: Mask
    """(h, w)"""


def true_crops(album: Album, most: int = _MOST_CHECKED) -> Iterator[TrueCrop]:
    """Of about `most` masked objects, some of each photo."""
    for photo in range(len(album)):
        picture = album.picture(photo)
        height, width = picture.owner.shape
        for index in np.flatnonzero(picture.masked)[: max(1, most // len(album))]:
            box = picture.boxes[index]
            context = MARGIN * float((box[2:] - box[:2]).max())
            x0, y0 = (max(int(edge - context), 0) for edge in box[:2])
            x1, y1 = min(int(box[2] + context) + 1, width), min(int(box[3] + context) + 1, height)
            shown = box - np.array([x0, y0, x0, y0], np.float32)
            yield TrueCrop(picture.image[y0:y1, x0:x1], shown, picture.owner[y0:y1, x0:x1] == index + 1)


def measured(
    segmenter: torch.nn.Module, crops: Sequence[TrueCrop], device: torch.device, *, pictures: bool
) -> Measured:
    """Mean IoU, and of all pixels of all crops precision, recall and F1."""
    if not crops:
        return NOTHING_MEASURED
    found = [segmenter(*asked(crop, device)).cpu() for crop in crops]
    counts = torch.stack(
        [binary_confusion_matrix(mask, torch.from_numpy(crop.truth)) for mask, crop in zip(found, crops, strict=True)]
    ).numpy()
    right, extra, missed = counts[:, 1, 1], counts[:, 0, 1], counts[:, 1, 0]
    ious = right / np.maximum(right + extra + missed, 1)
    figures = {
        "iou": ious.mean(),
        "iou_above_75": (ious > 0.75).mean(),
        "precision": right.sum() / max(right.sum() + extra.sum(), 1),
        "recall": right.sum() / max(right.sum() + missed.sum(), 1),
        "f1": 2 * right.sum() / max(2 * right.sum() + extra.sum() + missed.sum(), 1),
    }
    shown: dict[str, Image] = {}
    if pictures:
        worst = np.argsort(ious)[:_MOST_SHOWN]
        shown = {f"validation-{place}": drawn(crops[index], found[index].numpy()) for place, index in enumerate(worst)}
        shown["confusion"] = confusion_picture(counts.sum(axis=0)[::-1, ::-1], ("object",))
    return Measured(float(ious.mean()), {name: float(value) for name, value in figures.items()}, shown)


def asked(crop: TrueCrop, device: torch.device) -> tuple[Tensor, Tensor, None]:
    """What the served module takes."""
    image = torch.from_numpy(np.ascontiguousarray(crop.image.transpose(2, 0, 1)))
    return image.to(device), torch.from_numpy(crop.box).to(device), None


def drawn(crop: TrueCrop, found: Mask) -> Image:
    """The crop with the true outline in yellow and the found one in blue."""
    image = crop.image.copy()
    for mask, colour in ((crop.truth, _TRUE), (found, _FOUND)):
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, colour, 1)
    return image
