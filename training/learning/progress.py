"""What a training tells of itself each round: a line in the log, one in `history.jsonl`, and events for TensorBoard."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from torch.utils.tensorboard import SummaryWriter

from loc360.wire import Image
from training.hyperparameters import Hyperparameters
from training.learning.lesson import Measured

Line = dict[str, Any]
_PACE = ("learning_rate", "samples_per_s", "data_share")
_PRINTED = ("step", "epoch", "loss", "validation", *_PACE, "seconds")
_MOST_PX = 640
_DIGITS = {"learning_rate": 8}


class Progress:
    def __init__(self, folder: Path, settings: Hyperparameters, *, step: int, history: list[Line]) -> None:
        """`step` and `history`: of the training so far, if it goes on."""
        self.history = history
        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        told = "\n".join(f"| {name} | {value} |" for name, value in asdict(settings).items())
        self._writer.add_text("hyperparameters", f"| name | value |\n|---|---|\n{told}", step)

    def round(self, line: Line, measured: Measured) -> None:
        """`line`: step, epoch, loss, losses by name, learning_rate, samples_per_s, data_share, seconds."""
        full = line | {"validation": measured.quality, "figures": dict(measured.figures)}
        self.history.append(_rounded(full))
        print(json.dumps({name: self.history[-1][name] for name in _PRINTED}), flush=True)  # noqa: T201  # the job's log
        self._scalars(full["losses"] | {"all": full["loss"]}, "loss", line["step"])
        self._scalars({name: line[name] for name in _PACE}, "training", line["step"])
        quality = {} if measured.quality is None else {"quality": measured.quality}
        self._scalars(quality | dict(measured.figures), "validation", line["step"])
        self._pictures(measured.pictures, line["step"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _scalars(self, values: Mapping[str, float], group: str, step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)

    def _pictures(self, pictures: Mapping[str, Image], step: int) -> None:
        for name, image in pictures.items():
            small = Pillow.fromarray(image)
            small.thumbnail((_MOST_PX, _MOST_PX))
            self._writer.add_image(f"validation/{name}", np.asarray(small), step, dataformats="HWC")


def _rounded(value: Any, digits: int = 4) -> Any:
    """Four digits are never written with an exponent, which SageMaker's regular expressions would cut off."""
    if isinstance(value, dict):
        return {name: _rounded(of_name, _DIGITS.get(name, digits)) for name, of_name in value.items()}
    return round(value, digits) if isinstance(value, float) else value
