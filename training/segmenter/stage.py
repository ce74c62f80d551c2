"""The segmenter's lesson: from the channels' photos to what an endpoint serves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from loc360.wire import Image
from training.data.dataset import LabelledObject, LabelledPhoto, evenly_spaced, labels_of
from training.errors import JobFailed
from training.hyperparameters import Hyperparameters
from training.learning.encoders import Encoder
from training.learning.lesson import Learnt, Measured
from training.looks.augmentations import augmentation
from training.looks.pictures import Album
from training.segmenter.measured import measured, true_crops
from training.segmenter.network import NAME, SegmenterNetwork, first_guess, told
from training.segmenter.samples import Crop, crop
from training.segmenter.served import ServedSegmenter

SIDE_PX = 224
LEAST_MASK_PX = 30
_ALBUM_SIDE_PX = 1024
_MOST_MEASURED = 24
_MOST_TRIES = 100
_WITHOUT_GUESS = 0.3
"""Share of the crops that come without one, so that the network learns to see for itself."""


def without_specks(photos: Sequence[LabelledPhoto]) -> tuple[LabelledPhoto, ...]:
    """Without the masks that are too small to show a shape; the objects stay."""
    return tuple(replace(photo, objects=tuple(_without_speck(thing) for thing in photo.objects)) for photo in photos)


def _without_speck(thing: LabelledObject) -> LabelledObject:
    is_speck = thing.mask is not None and np.count_nonzero(thing.mask.mask) < LEAST_MASK_PX
    return replace(thing, mask=None) if is_speck else thing


class Sample(NamedTuple):
    crop: Crop
    told: Tensor
    """(5, side/2, side/2)"""


class Batch(NamedTuple):
    colours: Tensor
    """(B, 3, side, side) float32 in 0..1."""
    told: Tensor
    """(B, 5, side/2, side/2)"""
    share: Tensor
    """(B, side/2, side/2) float32: the mask's of each cell."""


class SegmenterLesson:
    """At least one object must have a mask. Raises JobFailed."""

    network_name = NAME
    per_label = ()

    def __init__(
        self, train: Sequence[LabelledPhoto], validation: Sequence[LabelledPhoto], settings: Hyperparameters
    ) -> None:
        self.labels = labels_of(train)
        self.side_px = settings.side_px or SIDE_PX
        self.network = SegmenterNetwork(Encoder(settings.encoder, settings.encoder_weights))
        self._album = Album(train, (), _ALBUM_SIDE_PX)
        self._objects = [(photo, index) for photo, index, _ in self._album.masked_objects()]
        self._first = torch.jit.script(first_guess())
        self._validation = list(true_crops(Album(evenly_spaced(validation, _MOST_MEASURED), (), _ALBUM_SIDE_PX)))
        self._recoloured = augmentation(settings.augmentation)

    def __len__(self) -> int:
        return len(self._objects)

    def sample(self, rng: np.random.Generator, index: int) -> Sample:
        """The object `index` in another view, or another one if nothing is to be seen of it."""
        for _ in range(_MOST_TRIES + len(self)):
            made = crop(rng, self._album, *self._objects[index], self.side_px, self._recoloured)
            if made:
                return Sample(made, self._told(rng, made))
            index = int(rng.integers(len(self)))
        raise JobFailed("The masks of the training photos cover each other: nothing is to be seen of any.")

    def batch(self, samples: Sequence[Sample]) -> Batch:
        images = torch.from_numpy(np.stack([sample.crop.image for sample in samples]).transpose(0, 3, 1, 2))
        masks = torch.from_numpy(np.stack([sample.crop.mask for sample in samples]))
        return Batch(
            (images / 255).contiguous(memory_format=torch.channels_last),
            torch.stack([sample.told for sample in samples]),
            functional.avg_pool2d(masks.unsqueeze(1), 2)[:, 0],
        )

    def losses(self, network: torch.nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        return mask_losses(network(batch.colours, batch.told), batch.share)

    def measured(self, network: torch.nn.Module, *, pictures: bool) -> Measured:
        device = next(network.parameters()).device
        return measured(self._served(network), self._validation, device, pictures=pictures)

    def finished(self, network: torch.nn.Module) -> Learnt:
        return Learnt(self._served(network.cpu()).eval())

    def shown(self, sample: Sample) -> Image:
        """The crop with the object's outline in yellow and the prompt in blue."""
        image = sample.crop.image.copy()
        outlines, _ = cv2.findContours(sample.crop.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, (255, 220, 0), 1)
        x0, y0, x1, y1 = sample.crop.box.round().astype(int).tolist()
        if sample.crop.point is None:
            cv2.rectangle(image, (x0, y0), (x1, y1), (30, 110, 255), 1)
        else:
            cv2.circle(image, ((x0 + x1) // 2, (y0 + y1) // 2), 4, (30, 110, 255), -1)
        return image

    def _served(self, network: torch.nn.Module) -> ServedSegmenter:
        return ServedSegmenter(network.encoder, network.decoder, self.side_px)

    def _told(self, rng: np.random.Generator, item: Crop) -> Tensor:
        """(5, side/2, side/2) with the first guess for the crop."""
        x0, y0, x1, y1 = item.shown
        corner = torch.tensor([x0, y0], dtype=torch.float32)
        image = torch.from_numpy(item.image[y0:y1, x0:x1].transpose(2, 0, 1).copy())
        box = torch.from_numpy(item.box)
        point = None if item.point is None else torch.from_numpy(item.point) - corner
        by_point = torch.tensor([float(point is not None)])
        if rng.random() < _WITHOUT_GUESS:
            return told(torch.full([self.side_px // 2] * 2, 0.5), box, by_point)
        guess = torch.zeros(self.side_px, self.side_px)
        with torch.no_grad():
            guess[y0:y1, x0:x1] = self._first(image, box - corner.repeat(2), point).float()
        return told(functional.avg_pool2d(guess[None, None], 2)[0, 0], box, by_point)


def mask_losses(logits: Tensor, share: Tensor) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice (Milletari et al., 3DV 2016) of (B, h, w), `share` being the mask's of each cell."""
    chance = logits.sigmoid()
    common = (chance * share).sum(dim=(1, 2))
    dice = 1 - (2 * common + 1) / (chance.sum(dim=(1, 2)) + share.sum(dim=(1, 2)) + 1)
    return {"cells": functional.binary_cross_entropy_with_logits(logits, share), "dice": dice.mean()}
