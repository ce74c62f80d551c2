"""Training the segmenter, from the channels' photos to what an endpoint serves."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.contrast.segmenter import ContrastSegmenter
from training.course import MOST_MEASURED, Deadline, Learnt, Stop, trained
from training.dataset import LabelledObject, LabelledPhoto, evenly_spaced
from training.encoders import Encoder
from training.errors import JobFailed
from training.hyperparameters import Hyperparameters
from training.pictures import Album
from training.segmenter.network import SegmenterNetwork, told
from training.segmenter.samples import MARGIN, Crop, crop
from training.segmenter.served import ServedSegmenter

SIDE_PX = 224
LEAST_MASK_PX = 30
_ALBUM_SIDE_PX = 1024
_MOST_CHECKED = 24
_MOST_TRIES = 100
_WITHOUT_GUESS = 0.3
"""Share of the crops that come without one, so that the network learns to see for itself."""


def without_specks(photos: Sequence[LabelledPhoto]) -> tuple[LabelledPhoto, ...]:
    """Without the masks that are too small to show a shape; the objects stay."""
    return tuple(replace(photo, objects=tuple(_without_speck(thing) for thing in photo.objects)) for photo in photos)


def _without_speck(thing: LabelledObject) -> LabelledObject:
    is_speck = thing.mask is not None and np.count_nonzero(thing.mask.mask) < LEAST_MASK_PX
    return replace(thing, mask=None) if is_speck else thing


def trained_segmenter(
    train: Sequence[LabelledPhoto],
    validation: Sequence[LabelledPhoto],
    settings: Hyperparameters,
    deadline: Deadline,
    stop: Stop,
    device: torch.device,
) -> Learnt:
    """The segmenter as it is served, to be scripted. Raises JobFailed. At least one object must have a mask."""
    side_px = settings.side_px or SIDE_PX
    network = SegmenterNetwork(Encoder(settings.encoder, settings.encoder_weights))
    network = network.to(device, memory_format=torch.channels_last)
    batches = Batches(Album(train, (), _ALBUM_SIDE_PX), settings, side_px, device)
    shown = Album(evenly_spaced(validation, MOST_MEASURED), (), _ALBUM_SIDE_PX)

    def quality(candidate: torch.nn.Module) -> float | None:
        return mean_iou(ServedSegmenter(candidate.encoder, candidate.decoder, side_px), shown, device)

    best = trained(
        network, network.encoder, batches.loss, quality, steps=batches.steps, settings=settings,
        deadline=deadline, stop=stop,
    )  # fmt: skip
    best = best.cpu().eval()
    return Learnt(ServedSegmenter(best.encoder.traced(), best.decoder, side_px).eval())


class Batches:
    """The objects that have masks, in shuffled order, in ever new views."""

    def __init__(self, album: Album, settings: Hyperparameters, side_px: int, device: torch.device) -> None:
        self._album, self._device, self._side_px = album, device, side_px
        self._first = torch.jit.script(ContrastSegmenter())
        self._rng = np.random.default_rng(settings.seed)
        self._size = settings.batch_size
        self._objects = [(photo, index) for photo, index, _ in album.masked_objects()]
        self._order: list[int] = []
        self.steps = max(1, settings.epochs * len(self._objects) // settings.batch_size)

    def loss(self, network: torch.nn.Module) -> Tensor:
        """Of the network on the next batch."""
        crops: list[Crop] = []
        tries = 0
        while len(crops) < self._size:
            if (tries := tries + 1) > _MOST_TRIES * self._size + len(self._objects):
                raise JobFailed("The masks of the training photos cover each other: nothing is to be seen of any.")
            made = crop(self._rng, self._album, *self._objects[self._next()], self._side_px)
            crops += [made] if made else []
        colours = torch.from_numpy(np.stack([item.image for item in crops]).transpose(0, 3, 1, 2)).to(self._device)
        masks = torch.from_numpy(np.stack([item.mask for item in crops])).to(self._device)
        prompts = torch.stack([self._told(item) for item in crops]).to(self._device)
        batch = (colours / 255).contiguous(memory_format=torch.channels_last)
        return mask_loss(network(batch, prompts), functional.avg_pool2d(masks.unsqueeze(1), 2)[:, 0])

    def _told(self, item: Crop) -> Tensor:
        """(5, side/2, side/2) with the first guess for the crop."""
        x0, y0, x1, y1 = item.shown
        corner = torch.tensor([x0, y0], dtype=torch.float32)
        image = torch.from_numpy(item.image[y0:y1, x0:x1].transpose(2, 0, 1).copy())
        box = torch.from_numpy(item.box)
        point = None if item.point is None else torch.from_numpy(item.point) - corner
        if self._rng.random() < _WITHOUT_GUESS:
            return told(torch.full([self._side_px // 2] * 2, 0.5), box, torch.tensor([float(point is not None)]))
        guess = torch.zeros(self._side_px, self._side_px)
        with torch.no_grad():
            guess[y0:y1, x0:x1] = self._first(image, box - corner.repeat(2), point).float()
        by_point = torch.tensor([float(point is not None)])
        return told(functional.avg_pool2d(guess[None, None], 2)[0, 0], box, by_point)

    def _next(self) -> int:
        if not self._order:
            self._order = self._rng.permutation(len(self._objects)).tolist()
        return self._order.pop()


def mask_loss(logits: Tensor, share: Tensor) -> Tensor:
    """Cross-entropy and soft Dice (Milletari et al., 3DV 2016) of (B, h, w), `share` being the mask's of each cell."""
    each = functional.binary_cross_entropy_with_logits(logits, share)
    chance = logits.sigmoid()
    common = (chance * share).sum(dim=(1, 2))
    dice = 1 - (2 * common + 1) / (chance.sum(dim=(1, 2)) + share.sum(dim=(1, 2)) + 1)
    return each + dice.mean()


def mean_iou(segmenter: torch.nn.Module, album: Album, device: torch.device) -> float | None:
    """Of the masks given the true boxes; None if no object has a mask."""
    ious = []
    for photo in range(len(album)):
        picture = album.picture(photo)
        height, width = picture.owner.shape
        for index in np.flatnonzero(picture.masked)[: max(1, _MOST_CHECKED // len(album))]:
            box = picture.boxes[index]
            context = MARGIN * float((box[2:] - box[:2]).max())
            x0, y0 = (max(int(edge - context), 0) for edge in box[:2])
            x1, y1 = min(int(box[2] + context) + 1, width), min(int(box[3] + context) + 1, height)
            image = torch.from_numpy(picture.image[y0:y1, x0:x1].transpose(2, 0, 1).copy()).to(device)
            shown = torch.from_numpy(box - np.array([x0, y0, x0, y0], np.float32)).to(device)
            found = segmenter(image, shown, None).cpu().numpy()
            truth = picture.owner[y0:y1, x0:x1] == index + 1
            ious.append(np.count_nonzero(found & truth) / max(np.count_nonzero(found | truth), 1))
    return float(np.mean(ious)) if ious else None
