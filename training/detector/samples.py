"""What the detector is trained on: the training photos over and over, never twice the same."""

from collections.abc import Sequence

import numpy as np

from training.data.dataset import LabelledPhoto
from training.looks.augment import cut_out, pasted, placed
from training.looks.augmentations import Augmentation
from training.looks.pictures import Album, Floats, Picture, seen_through

_MOST_PASTED = 6


class DetectorAlbum(Album):
    """That knows the masked objects of each label, to lay them on other photos."""

    def __init__(self, photos: Sequence[LabelledPhoto], labels: Sequence[str], side_px: int) -> None:
        super().__init__(photos, labels, side_px)
        self._masked: dict[str | None, list[tuple[int, int]]] = {}
        for photo, index, label in self.masked_objects():
            self._masked.setdefault(label, []).append((photo, index))

    def drawn_object(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """A photo and one of its masked objects, rare labels as often as frequent ones; None if there is none."""
        if not self._masked:
            return None
        of_label = self._masked[list(self._masked)[rng.integers(len(self._masked))]]
        return of_label[rng.integers(len(of_label))]


def sample(
    rng: np.random.Generator, album: DetectorAlbum, index: int, width_px: int, height_px: int, recoloured: Augmentation
) -> Picture:
    """The photo `index` in another view and light, with objects of any photos laid on it."""
    whole = album.picture(index)
    picture = seen_through(whole, _view(rng, whole, width_px, height_px), width_px, height_px)
    for _ in range(int(rng.integers(_MOST_PASTED + 1))):
        if drawn := album.drawn_object(rng):
            source = album.picture(drawn[0])
            scale = _fitting(source, width_px, height_px) * np.exp(rng.normal(0, 0.25))
            onto = (rng.uniform(0.02, 0.98, 2) * (width_px, height_px)).astype(np.float32)
            picture = pasted(rng, picture, cut_out(source, drawn[1]), float(scale), onto)
    return Picture(recoloured(rng, picture.image), picture.owner, picture.boxes, picture.labels, picture.masked)


def _view(rng: np.random.Generator, picture: Picture, width_px: int, height_px: int) -> Floats:
    """(2, 3) map onto the sample's pixels."""
    height, width = picture.owner.shape
    any_angle = bool(picture.masked.all()) and rng.random() < 0.2
    scale = _fitting(picture, width_px, height_px) * np.exp(rng.uniform(-0.35, 0.4))
    centre = (np.array([width, height]) / 2 + rng.uniform(-0.2, 0.2, 2) * (width, height)).astype(np.float32)
    middle = np.array([width_px / 2, height_px / 2], np.float32)
    return placed(rng, centre, middle, float(scale), any_angle=any_angle)


def _fitting(picture: Picture, width_px: int, height_px: int) -> float:
    return max(width_px, height_px) / max(picture.owner.shape)
