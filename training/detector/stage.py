"""Training the detector, from the channels' photos to what an endpoint serves."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from training.course import Deadline, Stop, trained
from training.detector.losses import asked, loss
from training.detector.network import DetectorNetwork
from training.detector.proposals import Proposals, Proposed
from training.detector.samples import ProposedAlbum, sample
from training.detector.served import ServedDetector
from training.encoders import Encoder
from training.hyperparameters import Hyperparameters
from training.masks import box_ious
from training.photos import TruePhoto, labels_of
from training.pictures import UNNAMED
from training.precision import Tally, average_precision, tally

SIDE_PX = 384
ALBUM_SCALE = 1


def trained_detector(
    train: Sequence[TruePhoto],
    validation: Sequence[TruePhoto],
    settings: Hyperparameters,
    deadline: Deadline,
    stop: Stop,
    device: torch.device,
) -> torch.nn.Module:
    """The detector as it is served, to be scripted; label indices are those of `labels_of`. Raises JobFailed."""
    labels = labels_of(train)
    side_px = settings.side_px or SIDE_PX
    proposals = Proposals(labels)
    network = DetectorNetwork(Encoder(settings.encoder, settings.encoder_weights), len(labels)).to(
        device, memory_format=torch.channels_last
    )
    batches = Batches(ProposedAlbum(train, labels, ALBUM_SCALE * side_px), settings, side_px, device)
    shown = ProposedAlbum(validation, labels, 2 * side_px)

    def quality(candidate: torch.nn.Module) -> float | None:
        return precision(
            ServedDetector(candidate.encoder, candidate.features, candidate.judge, proposals, side_px),
            shown,
            len(labels),
            device,
        )

    best = trained(
        network, network.encoder, batches.loss, quality, steps=batches.steps, settings=settings,
        deadline=deadline, stop=stop,
    )  # fmt: skip
    best = best.cpu().eval()
    return ServedDetector(best.encoder.traced(), best.features, best.judge, proposals, side_px).eval()


class Batches:
    """The training photos in ever new views, in shuffled order, wide and tall ones in turns."""

    def __init__(self, album: ProposedAlbum, settings: Hyperparameters, side_px: int, device: torch.device) -> None:
        self._album, self._device = album, device
        self._rng = np.random.default_rng(settings.seed)
        self._size = settings.batch_size
        self._sides_px = side_px, side_px * 3 // 4 // 32 * 32
        self._order: list[int] = []
        self.steps = max(1, settings.epochs * len(album) // settings.batch_size)

    def loss(self, network: torch.nn.Module) -> Tensor:
        """Of the network on the next batch."""
        sides_px = self._sides_px if self._rng.random() < 0.7 else self._sides_px[::-1]
        shown = [sample(self._rng, self._album, index, *sides_px) for index in self._next()]
        boxes = [asked(self._rng, *item) for item in shown]
        owner = torch.arange(len(shown)).repeat_interleave(torch.tensor([len(some.boxes) for some in boxes]))
        together = Proposed(*(torch.cat(parts).to(self._device) for parts in zip(*boxes, strict=True)))
        colours = torch.from_numpy(np.stack([item.picture.image for item in shown]).transpose(0, 3, 1, 2))
        batch = (colours.to(self._device) / 255).contiguous(memory_format=torch.channels_last)
        owner = owner.to(self._device)
        return loss(network(batch, together, owner), together.boxes, [item.picture for item in shown], owner)

    def _next(self) -> list[int]:
        while len(self._order) < self._size:
            self._order += self._rng.permutation(len(self._album)).tolist()
        batch, self._order = self._order[: self._size], self._order[self._size :]
        return batch


def precision(detector: torch.nn.Module, album: ProposedAlbum, kinds: int, device: torch.device) -> float | None:
    """Mean of the average precisions at IoU 0.5 with labels and regardless of them; None if there is no object."""
    by_kind: list[list[Tally]] = [[] for _ in range(kinds + 1)]
    for index in range(len(album)):
        picture = album.picture(index)
        image = torch.from_numpy(picture.image.transpose(2, 0, 1).copy()).to(device)
        proposed = Proposed(*(part.to(device) for part in album.proposed(index)))
        answer = detector.judged(image, proposed)
        boxes, labels, scores = (values.cpu().numpy() for values in answer)
        for kind, tallies in enumerate(by_kind):
            found = (labels == kind) | (kind == kinds)
            there = (picture.labels == kind) | (picture.labels == UNNAMED) | (kind == kinds)
            ious = box_ious(boxes[found], picture.boxes[there])
            ignored = (picture.labels[there] == UNNAMED) & (kind != kinds)
            tallies.append(tally(scores[found].astype(np.float64), ious, ignored))
    once = np.ones((1, len(album)))
    values = np.array([average_precision(tallies, once)[0] for tallies in by_kind if tallies])
    known = values[:-1][np.isfinite(values[:-1])] if len(values) else values
    if not len(values) or not np.isfinite(values[-1]):
        return None
    return float((values[-1] + known.mean()) / 2) if len(known) else float(values[-1])
