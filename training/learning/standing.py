"""How far a training is, beside its weights, and how its last steps went."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.errors import JobFailed
from training.learning.lesson import Measured
from training.learning.progress import Line

NEAR_ENOUGH = 0.02
"""What a later model may be worse on so few validation photos and still be thought the better one."""


@dataclass(slots=True)
class Standing:
    """Plain values only: it is part of the checkpoint."""

    step: int = 0
    rounds: int = 0
    used_s: float = 0.0
    """In the course, over all processes that worked on it one after the other."""
    best_quality: float = -math.inf
    kept_quality: float | None = None
    """Of the network that is kept, which may be a later one than the best."""
    kept_figures: dict[str, float] = field(default_factory=dict)
    without_gain: int = 0
    """Measured rounds since the best."""
    warm_started_from: str | None = None
    history: list[Line] = field(default_factory=list)

    def keeps(self, measured: Measured) -> bool:
        """Whether the network that was measured is now the one to keep."""
        quality = measured.quality
        if quality is None:
            return False
        self.without_gain = 0 if quality > self.best_quality else self.without_gain + 1
        if quality < self.best_quality - NEAR_ENOUGH:
            return False
        self.best_quality = max(quality, self.best_quality)
        self.kept_quality, self.kept_figures = quality, dict(measured.figures)
        return True


class Meter:
    """Of the steps since the last round."""

    def __init__(self, waited_s: float) -> None:
        """`waited_s`: for batches, until now."""
        self._begun_s, self._waited_s = time.monotonic(), waited_s
        self._steps = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        self._steps += 1
        self._sums = {name: self._sums.get(name, torch.zeros_like(loss)) + loss for name, loss in losses.items()}

    def told(self, samples: int, waited_s: float, before: Line) -> Line:
        """`samples`: a step; `before`: told the last time, if no step was taken since.

        Raises JobFailed if the losses are no numbers.
        """
        if not self._steps and before:
            return {name: before[name] for name in ("loss", "losses", "samples_per_s", "data_share", "learning_rate")}
        lasted_s = max(time.monotonic() - self._begun_s, 1e-6)
        losses = {name: float(total) / self._steps for name, total in self._sums.items()}
        if not all(map(math.isfinite, losses.values())):
            raise JobFailed("The loss is no number any more. Lower learning_rate, or set precision to fp32.")
        return {
            "loss": sum(losses.values()),
            "losses": losses,
            "samples_per_s": self._steps * samples / lasted_s,
            "data_share": (waited_s - self._waited_s) / lasted_s,
        }
