"""What an endpoint's photos are held against: how photos look, and what the model says of those it did not learn from.

Of photos that it learnt from it would say more than of any later one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from loc360.pictures import Image, image_from_base64, jpeg_base64
from serving.facts import (
    Facts,
    Statistics,
    crop_facts,
    find_facts,
    impression_facts,
    mask_facts,
    photo_facts,
    statistics,
)
from training.contrast.export import SIDE_LIMITS_PX
from training.data.dataset import LabelledPhoto, evenly_spaced
from training.errors import DatasetInvalid
from training.looks.pictures import Album
from training.segmenter.measured import asked, true_crops

_MOST_SHOWN, _MOST_ASKED = 64, 32
_QUALITY = 92
"""Of JPEG, as `loc360.payloads` sends them."""

Model = Callable[..., Any]


def drift_reference(
    role: str, model: Model, train: Sequence[LabelledPhoto], validation: Sequence[LabelledPhoto], least_score: float
) -> Statistics:
    """`model` is as an endpoint serves it; its finds count from `least_score` on. The segmenter is shown true boxes."""
    with torch.inference_mode():
        if role == "detector":
            shown = [photo_facts(image) for image in _photos(train, _MOST_SHOWN)]
            return statistics(shown + [_found(model, image, least_score) for image in _photos(validation, _MOST_ASKED)])
        return statistics([*_cut_out(None, train, _MOST_SHOWN), *_cut_out(model, validation, _MOST_ASKED)])


def _photos(photos: Sequence[LabelledPhoto], most: int) -> Iterator[Image]:
    album = Album([replace(photo, objects=()) for photo in evenly_spaced(photos, most)], (), SIDE_LIMITS_PX["detector"])
    for index in range(len(album)):
        yield _as_sent(album.picture(index).image)


def _found(model: Model, image: Image, least_score: float) -> Facts:
    boxes, _, scores, *impressions = model(torch.from_numpy(image.transpose(2, 0, 1).copy()))
    sure = scores >= least_score
    height_px, width_px = image.shape[:2]
    found = find_facts(boxes[sure].tolist(), scores[sure].tolist(), width_px, height_px)
    return photo_facts(image) | found | impression_facts([value for told in impressions for value in told.tolist()])


def _cut_out(model: Model | None, photos: Sequence[LabelledPhoto], most: int) -> Iterator[Facts]:
    """One object a photo."""
    for crop in true_crops(Album(evenly_spaced(photos, most), (), SIDE_LIMITS_PX["detector"]), 1):
        sent = crop._replace(image=_as_sent(crop.image))
        facts = crop_facts(sent.image)
        if model is not None:
            facts |= mask_facts(model(*asked(sent, torch.device("cpu"))).numpy(), sent.box.tolist())
        yield facts


def _as_sent(image: Image) -> Image:
    return image_from_base64(jpeg_base64(image, quality=_QUALITY), DatasetInvalid)
