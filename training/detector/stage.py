"""The detector's lesson: from the channels' photos to what an endpoint serves."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from loc360.wire import Image
from training.data.dataset import LabelledPhoto, evenly_spaced, labels_of
from training.detector.losses import Batch, losses
from training.detector.measured import Judged, confusion, fitting_threshold, judged, precision, rates
from training.detector.network import NAME, DetectorNetwork
from training.detector.samples import DetectorAlbum, sample
from training.detector.served import ServedDetector
from training.hyperparameters import Hyperparameters
from training.learning.encoders import Encoder
from training.learning.lesson import Learnt, Measured
from training.learning.progress_pictures import confusion_picture
from training.looks.augmentations import augmentation
from training.looks.pictures import Album, Picture

SIDE_PX, QUICK_SIDE_PX = 640, 384
_QUICK_S = 600.0
"""With less time, and no GPU, more views of the photos serve better than finer ones."""
_MOST_MEASURED, _MOST_SHOWN, _MOST_TYPICAL = 24, 4, 32


class DetectorLesson:
    network_name = NAME
    per_label = ("finder.head.kinds.weight", "finder.head.kinds.bias")

    def __init__(
        self, train: Sequence[LabelledPhoto], validation: Sequence[LabelledPhoto], settings: Hyperparameters
    ) -> None:
        self.labels = labels_of(train)
        self.side_px = settings.side_px or _fitting_side_px(settings.time_limit_s)
        self.network = DetectorNetwork(Encoder(settings.encoder, settings.encoder_weights), len(self.labels))
        self._album = DetectorAlbum(train, self.labels, 2 * self.side_px)
        self._validation = Album(evenly_spaced(validation, _MOST_MEASURED), self.labels, 2 * self.side_px)
        self._typical = Album(evenly_spaced(train, _MOST_TYPICAL), self.labels, 2 * self.side_px)
        self._recoloured = augmentation(settings.augmentation)
        self._size_px = _size_px(train, self.side_px)

    def __len__(self) -> int:
        return len(self._album)

    def sample(self, rng: np.random.Generator, index: int) -> Picture:
        return sample(rng, self._album, index, *self._size_px, self._recoloured)

    def batch(self, samples: Sequence[Picture]) -> Batch:
        colours = torch.from_numpy(np.stack([picture.image for picture in samples]).transpose(0, 3, 1, 2))
        return Batch(
            (colours / 255).contiguous(memory_format=torch.channels_last),
            [torch.from_numpy(picture.boxes) for picture in samples],
            [torch.from_numpy(picture.labels) for picture in samples],
        )

    def losses(self, network: torch.nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        return losses(network(batch.colours), batch)

    def measured(self, network: torch.nn.Module, *, pictures: bool) -> Measured:
        photos, kinds = self._judged(network), len(self.labels)
        quality = precision(photos, kinds)
        if quality is None:
            return Measured(None, {}, {})
        counts = confusion(photos, kinds, threshold := fitting_threshold(photos))
        shown: dict[str, Image] = {}
        if pictures:
            shown = {"confusion": confusion_picture(counts, self.labels)} | {
                f"validation-{index}": self._drawn(self._validation.picture(index), photos[index], threshold)
                for index in range(min(_MOST_SHOWN, len(photos)))
            }
        return Measured(quality, {"ap50": quality, **rates(counts)}, shown)

    def finished(self, network: torch.nn.Module) -> Learnt:
        """With the `score_threshold` that fits the validation photos."""
        with torch.inference_mode():
            threshold = fitting_threshold(self._judged(network))
        served = ServedDetector(network.cpu().encoder, network.finder, self.side_px).eval()
        with torch.no_grad():
            photos = (self._typical.picture(index).image for index in range(len(self._typical)))
            deepest = [served.deepest(torch.from_numpy(image.transpose(2, 0, 1).copy())) for image in photos]
            served.impression.fit(torch.stack(deepest))
        return Learnt(served, {"score_threshold": threshold})

    def shown(self, picture: Picture) -> Image:
        """A training sample with its boxes."""
        image = picture.image.copy()
        for box in picture.boxes.round().astype(int).tolist():
            cv2.rectangle(image, box[:2], box[2:], (255, 220, 0), 2)
        return image

    def _judged(self, network: torch.nn.Module) -> list[Judged]:
        served = ServedDetector(network.encoder, network.finder, self.side_px)
        return list(judged(served, self._validation, next(network.parameters()).device))

    def _drawn(self, picture: Picture, seen: Judged, threshold: float) -> Image:
        """True boxes in yellow, what is found in blue."""
        image = self.shown(picture)
        for box in seen.boxes[seen.scores >= threshold].round().astype(int).tolist():
            cv2.rectangle(image, box[:2], box[2:], (30, 110, 255), 2)
        return image


def _fitting_side_px(time_limit_s: float) -> int:
    return SIDE_PX if time_limit_s >= _QUICK_S or torch.cuda.is_available() else QUICK_SIDE_PX


def _size_px(photos: Sequence[LabelledPhoto], side_px: int) -> tuple[int, int]:
    """Width and height of the samples, in the proportions that most photos have, multiples of 32."""
    ratio = float(np.exp(np.median([np.log(photo.width_px / photo.height_px) for photo in photos])))
    width, height = (side_px, side_px / ratio) if ratio >= 1 else (side_px * ratio, side_px)
    return tuple(max(32, round(max(edge, side_px / 2) / 32) * 32) for edge in (width, height))  # type: ignore[return-value]
