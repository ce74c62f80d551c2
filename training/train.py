"""One training, as SageMaker runs it: hyperparameters and channels in, a model to serve or the reason of a failure out.

Contract: AWS, "How Amazon SageMaker AI Provides Training Information" and "... Processes Training Output". Channels:
`train`, `validation` (may be empty), and `live`, the archive of the model that is live, which is not needed as yet.
"""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import boto3
import cv2
import numpy as np
import torch

from training.archive import write_model
from training.contrast.export import SIDE_LIMITS_PX
from training.course import Deadline, Learnt, Stop
from training.dataset import LabelledPhoto, labels_of, read_photos
from training.detector.stage import trained_detector
from training.errors import JobFailed
from training.hyperparameters import Hyperparameters, read_hyperparameters
from training.job import failure_reason
from training.segmenter.stage import LEAST_MASK_PX, trained_segmenter, without_specks
from training.weights import placed_weights

_LEAST_FINISHING_S, _FINISHING_SHARE = 10.0, 1.5
"""Kept of the time for the model's export: that often as long as loading took, which tells how busy the machine is."""


def train(base: Path, *, job: str, started_s: float) -> int:
    """The exit status. `base` stands for /opt/ml; `started_s` is on time.monotonic's clock."""
    stop = Stop.on_sigterm()
    try:
        settings = read_hyperparameters(json.loads((base / "input/config/hyperparameters.json").read_text()))
        _train(base, settings, settings.version or job or "trained", started_s, stop)
    except Exception as error:  # noqa: BLE001  # whatever it is, SageMaker reads it from the file
        return _failed(base, failure_reason(error))
    return 0


def _train(base: Path, settings: Hyperparameters, version: str, started_s: float, stop: Stop) -> None:
    photos = {channel: _photos(base / "input/data" / channel) for channel in ("train", "validation")}
    if not any(photo.objects for photo in photos["train"]):
        raise JobFailed("The training photos hold no object: there is nothing to learn. Annotate some and run again.")
    model = base / "model"
    model.mkdir(parents=True, exist_ok=True)
    if settings.stage == "segmenter":
        photos = {channel: without_specks(of_channel) for channel, of_channel in photos.items()}
        if not any(thing.mask for photo in photos["train"] for thing in photo.objects):
            reason = f"No object in the training photos has a mask of at least {LEAST_MASK_PX} pixels."
            (model / "unchanged.json").write_text(json.dumps({"unchanged": True, "reason": reason}))
            return
    _seed_everything(settings.seed)
    learnt = _trained(photos["train"], photos["validation"], _placed(settings, base), started_s, stop)
    about = {
        "role": settings.stage,
        "labels": list(labels_of(photos["train"])) or ["object"],
        "version": version,
        "side_limit_px": SIDE_LIMITS_PX[settings.stage],
        "hyperparameters": asdict(settings),
        "photos": {channel: len(of_channel) for channel, of_channel in photos.items()},
        **learnt.about,
    }
    write_model(model, torch.jit.script(learnt.module), about)


def _photos(channel: Path) -> tuple[LabelledPhoto, ...]:
    """None if the channel is not there."""
    return read_photos(channel) if channel.exists() else ()


def _trained(
    train: Sequence[LabelledPhoto],
    validation: Sequence[LabelledPhoto],
    settings: Hyperparameters,
    started_s: float,
    stop: Stop,
) -> Learnt:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kept_s = max(_LEAST_FINISHING_S, _FINISHING_SHARE * (time.monotonic() - started_s))
    deadline = Deadline(started_s, max(settings.time_limit_s - kept_s, settings.time_limit_s / 2))
    make = trained_detector if settings.stage == "detector" else trained_segmenter
    return make(train, validation, settings, deadline, stop, device)


def _placed(settings: Hyperparameters, base: Path) -> Hyperparameters:
    s3 = boto3.client("s3") if settings.encoder_weights.startswith("file:s3://") else None
    return replace(settings, encoder_weights=placed_weights(settings.encoder_weights, base, s3))


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    cv2.setNumThreads(1)


def _failed(base: Path, reason: str) -> int:
    """SageMaker shows the first 1024 characters as the job's FailureReason."""
    file = base / "output/failure"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(reason)
    print(reason, flush=True)  # noqa: T201  # a training job's log is its standard output
    return 1
