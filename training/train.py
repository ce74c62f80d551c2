"""One training, as SageMaker runs it: hyperparameters and channels in, a model to serve or the reason of a failure out.

Contract: AWS, "How Amazon SageMaker AI Provides Training Information" and "... Processes Training Output". Channels:
`train`, `validation` (may be empty), and `live`, the archive of the model that is live, which is not needed as yet.
"""

import json
import random
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from training.archive import write_model
from training.course import Deadline, Stop
from training.detector.stage import trained_detector
from training.errors import JobFailed
from training.hyperparameters import Hyperparameters, read_hyperparameters
from training.photos import TruePhoto, labels_of, read_photos
from training.segmenter.stage import has_masks, trained_segmenter

SIDE_LIMITS_PX = {"detector": 1024, "segmenter": 384}
"""Long side of what each is sent: larger images cost time and gain nothing."""
_LEAST_FINISHING_S, _FINISHING_SHARE = 10.0, 1.5
"""Kept of the time for the model's export: that often as long as loading took, which tells how busy the machine is."""


def train(base: Path, *, job: str, started_s: float) -> int:
    """The exit status. `base` stands for /opt/ml; `started_s` is on time.monotonic's clock."""
    stop = Stop.on_sigterm()
    try:
        settings = read_hyperparameters(json.loads((base / "input/config/hyperparameters.json").read_text()))
        _train(base, settings, settings.version or job or "trained", started_s, stop)
    except JobFailed as failure:
        return _failed(base, str(failure))
    except Exception:  # noqa: BLE001  # whatever it is, SageMaker reads it from the file
        return _failed(base, traceback.format_exc())
    return 0


def _train(base: Path, settings: Hyperparameters, version: str, started_s: float, stop: Stop) -> None:
    photos = {channel: read_photos(base / "input/data" / channel) for channel in ("train", "validation")}
    if not any(photo.objects for photo in photos["train"]):
        raise JobFailed("The training photos hold no object: there is nothing to learn. Annotate some and run again.")
    model = base / "model"
    model.mkdir(parents=True, exist_ok=True)
    if settings.stage == "segmenter" and not has_masks(photos["train"]):
        reason = "No object in the training photos has a mask."
        (model / "unchanged.json").write_text(json.dumps({"unchanged": True, "reason": reason}))
        return
    _seed_everything(settings.seed)
    module = _trained(photos["train"], photos["validation"], _placed(settings, base), started_s, stop)
    about = {
        "role": settings.stage,
        "labels": list(labels_of(photos["train"])) or ["object"],
        "version": version,
        "side_limit_px": SIDE_LIMITS_PX[settings.stage],
        "hyperparameters": asdict(settings),
        "photos": {channel: len(of_channel) for channel, of_channel in photos.items()},
    }
    write_model(model, torch.jit.script(module), about)


def _trained(
    train: Sequence[TruePhoto], validation: Sequence[TruePhoto], settings: Hyperparameters, started_s: float, stop: Stop
) -> torch.nn.Module:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kept_s = max(_LEAST_FINISHING_S, _FINISHING_SHARE * (time.monotonic() - started_s))
    deadline = Deadline(started_s, max(settings.time_limit_s - kept_s, settings.time_limit_s / 2))
    make = trained_detector if settings.stage == "detector" else trained_segmenter
    return make(train, validation, settings, deadline, stop, device)


def _placed(settings: Hyperparameters, base: Path) -> Hyperparameters:
    """With the path of the encoder's weights, if it is given, from the folder that holds the channels."""
    kind, _, place = settings.encoder_weights.partition(":")
    return replace(settings, encoder_weights=f"file:{base / 'input/data' / place}") if kind == "file" else settings


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
