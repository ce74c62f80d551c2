"""One training, as SageMaker runs it: settings and photos in, a model to serve or the reason of a failure out."""

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import boto3
import cv2
import numpy as np
import torch
from lightning_fabric import Fabric

from training.archives.archive import write_model
from training.archives.export import exported, loaded
from training.archives.parity import checked_parity
from training.archives.reference import drift_reference
from training.contrast.export import SIDE_LIMITS_PX
from training.data.dataset import LabelledPhoto, labels_of, read_photos
from training.detector.stage import DetectorLesson
from training.errors import JobFailed
from training.hyperparameters import Hyperparameters, read_hyperparameters
from training.job import failure_reason
from training.learning.accelerator import device_name, launched_fabric, precision_of
from training.learning.checkpoints import fingerprint
from training.learning.course import Taught, trained
from training.learning.lesson import Lesson
from training.learning.limits import Deadline, Stop
from training.learning.weights import placed_weights
from training.looks.preview import augmentation_sheet
from training.places import Places
from training.segmenter.stage import LEAST_MASK_PX, SegmenterLesson, without_specks

_LEAST_FINISHING_S, _FINISHING_SHARE = 10.0, 1.5
"""Kept of the time for the model's export: that often as long as loading took, which tells how busy the machine is."""

Photos = Mapping[str, Sequence[LabelledPhoto]]
"""By channel."""


def train(places: Places, *, job: str, started_s: float) -> int:
    """The exit status. `started_s` is on time.monotonic's clock."""
    stop = Stop.on_sigterm()
    try:
        settings = read_hyperparameters(json.loads(places.hyperparameters.read_text()))
        _train(places, settings, settings.version or job or "trained", started_s, stop)
    except Exception as error:  # noqa: BLE001  # whatever it is, SageMaker reads it from the file
        return places.fail(failure_reason(error))
    return 0


def _train(places: Places, settings: Hyperparameters, version: str, started_s: float, stop: Stop) -> None:
    photos = {channel: _photos(places, settings.stage, channel) for channel in ("train", "validation")}
    if not any(photo.objects for photo in photos["train"]):
        raise JobFailed("The training photos hold no object: there is nothing to learn. Annotate some and run again.")
    places.model.mkdir(parents=True, exist_ok=True)
    if reason := _why_unchanged(settings, photos["train"]):
        (places.model / "unchanged.json").write_text(json.dumps({"unchanged": True, "reason": reason}))
        return
    _seed_everything(settings.seed)
    fabric = launched_fabric(settings.precision)
    lesson = _lesson(photos, _placed(settings, places))
    mark = fingerprint(settings, lesson, [*photos["train"], *photos["validation"]])
    kept_s = max(_LEAST_FINISHING_S, _FINISHING_SHARE * (time.monotonic() - started_s))
    deadline = Deadline(started_s, max(settings.time_limit_s - kept_s, settings.time_limit_s / 2))
    if taught := trained(lesson, settings, deadline, stop, places, fabric, mark):
        _write(places, settings, version, photos, lesson, taught, fabric)


def _photos(places: Places, stage: str, channel: str) -> tuple[LabelledPhoto, ...]:
    """None if the channel is not there."""
    folder = places.channel(channel)
    photos = read_photos(folder) if folder.exists() else ()
    return without_specks(photos) if stage == "segmenter" else photos


def _why_unchanged(settings: Hyperparameters, photos: Sequence[LabelledPhoto]) -> str | None:
    """The reason why the live model stays, if it does."""
    if settings.stages not in ("both", settings.stage):
        return f"The run trains the {settings.stages} only."
    if settings.stage == "segmenter" and not any(thing.mask for photo in photos for thing in photo.objects):
        return f"No object in the training photos has a mask of at least {LEAST_MASK_PX} pixels."
    return None


def _lesson(photos: Photos, settings: Hyperparameters) -> Lesson:
    if settings.stage == "detector":
        return DetectorLesson(photos["train"], photos["validation"], settings)
    return SegmenterLesson(photos["train"], photos["validation"], settings)


def _write(
    places: Places, settings: Hyperparameters, version: str, photos: Photos, lesson: Lesson, taught: Taught,
    fabric: Fabric,
) -> None:  # fmt: skip
    """Raises JobFailed if the export is not what was learnt."""
    model = exported(taught.learnt.module)
    served, train, validation = loaded(model), photos["train"], photos["validation"]
    shown = validation if any(photo.objects for photo in validation) else train
    parity = checked_parity(settings.stage, taught.learnt.module, served, shown)
    threshold = taught.learnt.about.get("score_threshold", 0.0)
    encoder = lesson.network.encoder
    about = {
        "role": settings.stage,
        "labels": list(labels_of(photos["train"])) or ["object"],
        "version": version,
        "network": lesson.network_name,
        "encoder": settings.encoder,
        "side_px": lesson.side_px,
        "side_limit_px": SIDE_LIMITS_PX[settings.stage],
        "normalisation": {name: getattr(encoder, name).flatten().tolist() for name in ("mean", "std")},
        "warm_started_from": taught.warm_started_from,
        "snapshot": settings.snapshot or None,
        "hyperparameters": asdict(settings),
        "photos": {channel: len(of_channel) for channel, of_channel in photos.items()},
        "validation": {"quality": taught.quality, **taught.figures},
        "parity": parity.described(),
        "environment": _environment(fabric),
        "drift": drift_reference(settings.stage, served, train, validation, threshold),
        **taught.learnt.about,
    }
    history = "".join(json.dumps(line) + "\n" for line in taught.history)
    others = {"history.jsonl": history.encode(), "augmentations.jpg": augmentation_sheet(lesson, settings.seed)}
    write_model(places.model, model, about, others)


def _environment(fabric: Fabric) -> dict[str, Any]:
    return {
        "torch": torch.__version__,
        "device": device_name(fabric.device),
        "processes": fabric.world_size,
        "precision": precision_of(fabric),
    }


def _placed(settings: Hyperparameters, places: Places) -> Hyperparameters:
    s3 = boto3.client("s3") if settings.encoder_weights.startswith("file:s3://") else None
    return replace(settings, encoder_weights=placed_weights(settings.encoder_weights, places.base, s3))


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
