"""Where a chain's two models look: which parts of a photo their answers hang on.

Captum's feature ablation (Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014) over the
cells of a grid, asked of the archives as they are served. It works on any model, with gradients or without, and shows
it as the platform sees it, before and behind its network.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from captum.attr import FeatureAblation

import loc360
from loc360.photo import read_photo_scaled
from loc360.wire import (
    Box,
    DetectorReply,
    DetectorRequest,
    Image,
    Mask,
    SegmenterRequest,
    decode_detector_reply,
    decode_segmenter_replies,
    decode_segmenter_requests,
    encode_detector_reply,
    encode_detector_request,
    encode_segmenter_request,
)
from training.data.dataset import LabelledPhoto
from training.evaluation.chain_run import Chain, call_metadata
from training.evaluation.occlusion import Grid, Hideable, share_within, still_drawn, still_found
from training.masks import Array

PHOTOS = 4
SIDE_PX = 640
MOST_OBJECTS = 12
"""Whose finding is explained, the surest first."""
DETECTOR_CELLS, SEGMENTER_CELLS = 30, 25
"""Each costs one call."""

Answer = Callable[[Array], Array]
"""(cells,) visible, 1 or 0 -> (answers,) how far each is still the same, 0 to 1."""


class _OutOfTime(Exception):
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """What one model's answer hangs on."""

    image: Image
    """(H, W, 3) what the model saw."""
    heat: Array
    """(H, W) from 0 to 1: how much of the answer is lost without it, over the most that any part costs."""
    boxes: tuple[Box, ...]
    """Of the objects, on the image."""
    heat_within: float
    """Share of the heat in the boxes; near `area_within`, the model looks just anywhere."""
    area_within: float


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    photo: LabelledPhoto
    detector: Heat
    segmenter: Heat
    """Of the surest find."""
    label: str | None
    """Of that find."""


@dataclass(frozen=True, slots=True)
class Explanations:
    explained: tuple[Explanation, ...]
    wanted: int
    """Photos; if more than explained, on the others nothing was found or the time was over."""

    def told(self) -> dict[str, Any]:
        return {
            "wanted": self.wanted,
            "photos": [
                {"photo": item.photo.source, "label": item.label}
                | {
                    stage: {"heat_within": heat.heat_within, "area_within": heat.area_within}
                    for stage, heat in (("detector", item.detector), ("segmenter", item.segmenter))
                }
                for item in self.explained
            ],
        }


def explanations(chain: Chain, photos: Sequence[LabelledPhoto], time_limit_s: float) -> Explanations:
    """Of at most `PHOTOS` of the photos. Raises Loc360Error if a model fails."""
    deadline_s, explained = time.monotonic() + time_limit_s, list[Explanation]()
    wanted = min(len(photos), PHOTOS)
    try:
        for photo in photos:
            if len(explained) < wanted and (item := _explained(chain, photo, deadline_s)):
                explained.append(item)
    except _OutOfTime:
        pass
    return Explanations(tuple(explained), wanted)


def _explained(chain: Chain, photo: LabelledPhoto, deadline_s: float) -> Explanation | None:
    """None if nothing is found. Raises _OutOfTime."""
    image = read_photo_scaled(str(photo.file), min(SIDE_PX, chain.manifest.detector_side_px))
    targets = _detected(chain, image)
    if not targets.finds:
        return None
    asked = _asked(chain, photo, replace(targets, finds=targets.finds[:1]))
    return Explanation(
        photo=photo,
        detector=_detector_heat(chain, image, targets, deadline_s),
        segmenter=_segmenter_heat(chain, asked, deadline_s),
        label=targets.finds[0].label,
    )


def _detected(chain: Chain, image: Image) -> DetectorReply:
    """The surest finds, best first."""
    reply = decode_detector_reply(
        chain.detector.invoke(encode_detector_request(DetectorRequest(chain.manifest.release, image)))
    )
    shown = [find for find in reply.finds if find.score >= chain.manifest.score_threshold]
    return replace(reply, finds=tuple(sorted(shown, key=lambda find: -find.score)[:MOST_OBJECTS]))


def _asked(chain: Chain, photo: LabelledPhoto, reply: DetectorReply) -> SegmenterRequest:
    """What the segmenter is asked of the reply's one find."""
    properties = {"manifest": chain.manifest.to_dict(), "mm_per_px": photo.mm_per_px}
    metadata = call_metadata(properties, chain.manifest.segmenter_model, encode_detector_reply(reply))
    (request,), _ = decode_segmenter_requests(loc360.sagemaker_preprocess(str(photo.file), metadata))
    return request


def _detector_heat(chain: Chain, image: Image, targets: DetectorReply, deadline_s: float) -> Heat:
    """Over all targets together, each counting alike."""
    hideable = Hideable(image, Grid.of(image.shape[1], image.shape[0], DETECTOR_CELLS))

    def answer(visible: Array) -> Array:
        return still_found(targets.finds, _detected(chain, hideable.shown(visible)).finds)

    return _heat(hideable, answer, tuple(find.box for find in targets.finds), deadline_s)


def _segmenter_heat(chain: Chain, asked: SegmenterRequest, deadline_s: float) -> Heat:
    """Of what is outside of the hidden cell: that what is hidden can't be drawn is no news."""
    hideable = Hideable(asked.image, Grid.of(asked.image.shape[1], asked.image.shape[0], SEGMENTER_CELLS))
    whole = _drawn(chain, asked)

    def answer(visible: Array) -> Array:
        now = _drawn(chain, replace(asked, image=hideable.shown(visible)))
        return np.array([still_drawn(whole, now, hideable.is_shown(visible))])

    return _heat(hideable, answer, (asked.box,), deadline_s)


def _drawn(chain: Chain, asked: SegmenterRequest) -> Mask:
    (reply,) = decode_segmenter_replies(chain.segmenter.invoke(encode_segmenter_request(asked)))
    return reply.mask


def _heat(hideable: Hideable, answer: Answer, boxes: tuple[Box, ...], deadline_s: float) -> Heat:
    lost = np.clip(_ablated(answer, hideable.grid.cells, deadline_s), 0, None).mean(axis=0)
    height, width = hideable.image.shape[:2]
    heat = hideable.grid.drawn(lost / max(lost.max(), 1e-9), width, height)
    return Heat(hideable.image, heat, boxes, *share_within(heat, boxes))


def _ablated(answer: Answer, cells: int, deadline_s: float) -> Array:
    """(answers, cells) what each loses without each cell. Raises _OutOfTime."""

    def asked(visible: torch.Tensor) -> torch.Tensor:
        if time.monotonic() > deadline_s:
            raise _OutOfTime
        return torch.from_numpy(answer(visible[0].double().numpy()))

    lost = FeatureAblation(asked).attribute(torch.ones(1, cells), baselines=0.0)
    return np.asarray(lost.numpy(), np.float64).reshape(-1, cells)
