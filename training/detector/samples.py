"""What the detector is trained on: the training photos over and over, never twice the same."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from training.augment import cut_out, pasted, placed, recoloured
from training.dataset import LabelledPhoto
from training.detector.proposals import Proposals, Proposed
from training.pictures import Album, Floats, Picture, mapped, seen_through

_MOST_PASTED = 6


class Sample(NamedTuple):
    picture: Picture
    proposed: Proposed


class ProposedAlbum(Album):
    """With the boxes that are proposed on each photo, found once."""

    def __init__(self, photos: Sequence[LabelledPhoto], labels: Sequence[str], side_px: int) -> None:
        super().__init__(photos, labels, side_px)
        self._proposals = torch.jit.script(Proposals(labels))
        self._masked: dict[str | None, list[tuple[int, int]]] = {}
        for photo, index, label in self.masked_objects():
            self._masked.setdefault(label, []).append((photo, index))
        self._found: dict[int, Proposed] = {}

    def drawn_object(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """A photo and one of its masked objects, rare labels as often as frequent ones; None if there is none."""
        if not self._masked:
            return None
        of_label = self._masked[list(self._masked)[rng.integers(len(self._masked))]]
        return of_label[rng.integers(len(of_label))]

    def proposed(self, index: int) -> Proposed:
        """In pixels of `picture(index)`."""
        found = self._found.get(index)
        if found is None:
            image = torch.from_numpy(self.picture(index).image.transpose(2, 0, 1).copy())
            with torch.no_grad():
                found = self._found[index] = Proposed(*(part.clone() for part in self._proposals(image)))
        return found


def sample(rng: np.random.Generator, album: ProposedAlbum, index: int, width_px: int, height_px: int) -> Sample:
    """The photo `index` in another view, with objects of any photos laid on it."""
    whole = album.picture(index)
    matrix = _view(rng, whole, width_px, height_px)
    picture = seen_through(whole, matrix, width_px, height_px)
    for _ in range(int(rng.integers(_MOST_PASTED + 1))):
        if drawn := album.drawn_object(rng):
            source = album.picture(drawn[0])
            thing = cut_out(source, drawn[1])
            scale = _fitting(source, width_px, height_px) * np.exp(rng.normal(0, 0.25))
            onto = rng.uniform(0.02, 0.98, 2) * (width_px, height_px)
            picture = pasted(rng, picture, thing, float(scale), onto.astype(np.float32))
    recoloured_picture = Picture(
        recoloured(rng, picture.image), picture.owner, picture.boxes, picture.labels, picture.masked
    )
    proposed = album.proposed(index)
    boxes = torch.from_numpy(mapped(proposed.boxes.numpy(), matrix))
    shown = ((boxes >= -4) & (boxes <= torch.tensor([width_px, height_px, width_px, height_px]) + 4)).all(dim=1)
    return Sample(recoloured_picture, Proposed(boxes[shown], proposed.fit[shown], proposed.kinds[shown]))


def _view(rng: np.random.Generator, picture: Picture, width_px: int, height_px: int) -> Floats:
    """(2, 3) map onto the sample's pixels."""
    height, width = picture.owner.shape
    any_angle = bool(picture.masked.all()) and rng.random() < 0.2
    scale = _fitting(picture, width_px, height_px) * np.exp(rng.uniform(-0.3, 0.4))
    shift = rng.uniform(-0.15, 0.15, 2) * (width, height)
    centre = (np.array([width, height]) / 2 + shift).astype(np.float32)
    middle = np.array([width_px / 2, height_px / 2], np.float32)
    return placed(rng, centre, middle, float(scale), any_angle=any_angle)


def _fitting(picture: Picture, width_px: int, height_px: int) -> float:
    return max(width_px, height_px) / max(picture.owner.shape)
