"""Where a training stands, kept in a file: started again with the same settings and data, it goes on from there.

The file is the sha256 of what follows, in hexadecimal, a line's end, and what torch makes of the state.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from training.data.dataset import LabelledPhoto
from training.hyperparameters import Hyperparameters
from training.learning.lesson import Lesson
from training.log import note

FILE = "checkpoint.pt"
_VERSION = 1
_TOLD_ONLY = ("version", "snapshot")
"""Hyperparameters that change nothing of what is learnt."""

State = dict[str, Any]
"""Of tensors, numbers, strings, lists and dictionaries."""


def fingerprint(settings: Hyperparameters, lesson: Lesson, photos: Iterable[LabelledPhoto]) -> str:
    """The same for trainings that teach the same network the same, in the same way."""
    told = {name: value for name, value in asdict(settings).items() if name not in _TOLD_ONLY}
    network = [lesson.network_name, {name: list(value.shape) for name, value in lesson.network.state_dict().items()}]
    digest = hashlib.sha256(json.dumps([_VERSION, torch.__version__, network, told], sort_keys=True).encode())
    for photo in photos:
        digest.update(f"{photo.source} {photo.file.stat().st_size} {photo.width_px} {photo.height_px}".encode())
        for thing in photo.objects:
            digest.update(f"{thing.label} {tuple(thing.box_px)}".encode())
            if thing.mask:
                digest.update(f"{thing.mask.origin_px}".encode() + thing.mask.mask.tobytes())
    return digest.hexdigest()


def save_checkpoint(folder: Path, mark: str, state: State) -> None:
    """In place of the one before, whole or not at all. `mark` is a fingerprint."""
    written = io.BytesIO()
    torch.save({"mark": mark, "state": state}, written)
    content = written.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{FILE}"
    with unfinished.open("wb") as file:
        file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / FILE)


def read_checkpoint(folder: Path, mark: str) -> State | None:
    """None if there is none for `mark`; of one that is damaged or another training's it is said why it is left."""
    file = folder / FILE
    try:
        digest, _, content = file.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if hashlib.sha256(content).hexdigest().encode() != digest:
        note("The checkpoint is left aside, since it is damaged. The training begins anew.")
        return None
    saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if saved["mark"] != mark:
        note("The checkpoint is left aside, since it is of other settings or photos. The training begins anew.")
        return None
    return dict(saved["state"])
