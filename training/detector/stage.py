"""Training the detector, from the channels' photos to what an endpoint serves."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from training.course import MOST_MEASURED, Deadline, Learnt, Stop, trained
from training.dataset import LabelledPhoto, evenly_spaced, labels_of
from training.detector.losses import asked, loss
from training.detector.measured import fitting_threshold, precision
from training.detector.network import DetectorNetwork
from training.detector.proposals import Proposals, Proposed
from training.detector.samples import ProposedAlbum, sample
from training.detector.served import ServedDetector
from training.encoders import Encoder
from training.hyperparameters import Hyperparameters

SIDE_PX = 384


def trained_detector(
    train: Sequence[LabelledPhoto],
    validation: Sequence[LabelledPhoto],
    settings: Hyperparameters,
    deadline: Deadline,
    stop: Stop,
    device: torch.device,
) -> Learnt:
    """The detector as it is served, to be scripted; label indices are those of `labels_of`. Raises JobFailed.

    With the `score_threshold` that fits the validation photos.
    """
    labels = labels_of(train)
    side_px = settings.side_px or SIDE_PX
    proposals = Proposals(labels)
    network = DetectorNetwork(Encoder(settings.encoder, settings.encoder_weights), len(labels)).to(
        device, memory_format=torch.channels_last
    )
    batches = Batches(ProposedAlbum(train, labels, side_px), settings, side_px, device)
    shown = ProposedAlbum(evenly_spaced(validation, MOST_MEASURED), labels, 2 * side_px)

    def served(candidate: torch.nn.Module) -> torch.nn.Module:
        return ServedDetector(candidate.encoder, candidate.features, candidate.judge, proposals, side_px)

    def quality(candidate: torch.nn.Module) -> float | None:
        return precision(served(candidate), shown, len(labels), device)

    best = trained(
        network, network.encoder, batches.loss, quality, steps=batches.steps, settings=settings,
        deadline=deadline, stop=stop,
    )  # fmt: skip
    with torch.inference_mode():
        threshold = fitting_threshold(served(best.eval()), shown, device)
    best = best.cpu().eval()
    module = ServedDetector(best.encoder.traced(), best.features, best.judge, proposals, side_px).eval()
    return Learnt(module, {"score_threshold": threshold})


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
