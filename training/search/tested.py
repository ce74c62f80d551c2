"""How good a trial's model is on the test photos, which no trial has seen: asked as its endpoint would be asked.

Of one stage alone, since the other one does not change. Detector: mean of the average precisions of boxes at IoU 0.5
with labels (COCO's mean over them) and regardless of labels. Segmenter: mean IoU of the masks that it draws in the true
boxes, sent as `loc360` sends them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loc360.frames import View, clipped, whole
from loc360.manifest import Manifest
from loc360.payloads import detector_payload, segmenter_payload
from loc360.wire import DetectorReply, Find, decode_detector_reply, decode_segmenter_replies, encode_detector_reply
from training.archives.archived_model import ArchivedModel
from training.data.dataset import LabelledObject, LabelledPhoto, evenly_spaced, read_photos
from training.evaluation.chain_files import candidate_manifest
from training.evaluation.chain_run import true_objects
from training.evaluation.comparison import Comparison, Found, compared
from training.evaluation.scores import chain_scores
from training.masks import drawn, mask_iou

MOST_PHOTOS = 300
MEASURES = {
    "detector": "mean of box AP50 with labels and regardless of labels",
    "segmenter": "mean IoU of masks given the true boxes",
}
Invoke = Callable[[str], str]
_ANY = Manifest("", "detector", "segmenter", ("object",), max_objects=100_000)


def tested(stage: str, channel: Path, models: Mapping[str, Path], *, threads: int) -> dict[str, Any] | None:
    """What is measured, on how many photos, and the quality (0..1) of each model, by its name.

    None if no photo of the channel can tell. Raises JobFailed if a model does not load, Loc360Error if one refuses.
    """
    photos = read_photos(channel) if channel.is_dir() and any(channel.iterdir()) else ()
    telling = evenly_spaced([photo for photo in photos if _tells(stage, photo)], MOST_PHOTOS)
    if not telling:
        return None
    qualities = {folder: round(_quality(stage, folder, telling, threads), 4) for folder in {*models.values()}}
    found = {name: qualities[folder] for name, folder in models.items()}
    return {"measure": MEASURES[stage], "photos": len(telling), **found}


def detector_quality(invoke: Invoke, manifest: Manifest, photos: Sequence[LabelledPhoto]) -> float:
    """At least one photo must show an object."""
    scores = chain_scores([_compared(invoke, manifest, photo) for photo in photos])
    return float(np.mean([scores.box_ap50 or 0.0, scores.box_ap50_any_label or 0.0]))


def segmenter_quality(invoke: Invoke, manifest: Manifest, photos: Sequence[LabelledPhoto]) -> float:
    """At least one object must have a mask."""
    return float(np.mean([iou for photo in photos for iou in _ious(invoke, manifest, photo)]))


def _tells(stage: str, photo: LabelledPhoto) -> bool:
    return bool(photo.objects if stage == "detector" else _masked(photo))


def _quality(stage: str, folder: Path, photos: Sequence[LabelledPhoto], threads: int) -> float:
    measure = detector_quality if stage == "detector" else segmenter_quality
    manifest = candidate_manifest(_ANY, {stage: json.loads((folder / "model.json").read_text())})
    with ArchivedModel(folder, name=stage, threads=threads) as model:
        return measure(model.invoke, manifest, photos)


def _compared(invoke: Invoke, manifest: Manifest, photo: LabelledPhoto) -> Comparison:
    reply = decode_detector_reply(invoke(detector_payload(str(photo.file), manifest)))
    sent = View(whole(photo.width_px, photo.height_px), reply.width_px, reply.height_px)
    finds = [Found(find.label, sent.box_on_photo(find.box), find.score) for find in reply.finds]
    return compared(true_objects(photo), finds)


def _ious(invoke: Invoke, manifest: Manifest, photo: LabelledPhoto) -> list[float]:
    things = _masked(photo)
    finds = tuple(Find(thing.box_px, thing.label, 1.0) for thing in things)
    pointed_at = encode_detector_reply(DetectorReply(manifest.release, photo.width_px, photo.height_px, finds))
    payloads = json.loads(segmenter_payload(str(photo.file), manifest, pointed_at))
    return [_iou(invoke(payload), thing, photo) for payload, thing in zip(payloads, things, strict=True)]


def _iou(raw_reply: str, thing: LabelledObject, photo: LabelledPhoto) -> float:
    (reply,) = decode_segmenter_replies(raw_reply)
    mask = drawn(reply.mask, reply.echo.crop, photo.width_px, photo.height_px)
    return mask_iou(mask, thing.mask) if thing.mask else 0.0


def _masked(photo: LabelledPhoto) -> list[LabelledObject]:
    frame = whole(photo.width_px, photo.height_px)
    return [thing for thing in photo.objects if thing.mask is not None and clipped(thing.box_px, frame)]
