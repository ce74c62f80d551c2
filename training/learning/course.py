"""The course of a training: as many steps as the time allows, in rounds that end with a measurement and a checkpoint.

All processes take the same steps; the first one measures, tells of the progress and keeps the checkpoints.
"""

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from training.hyperparameters import Hyperparameters
from training.learning.checkpoints import read_checkpoint, save_checkpoint
from training.learning.learner import Learner
from training.learning.lesson import NOTHING_MEASURED, Learnt, Lesson, Measured
from training.learning.limits import Clock, Deadline, Stop
from training.learning.loading import Batches, loading
from training.learning.progress import Line, Progress
from training.learning.standing import Meter, Standing
from training.learning.warm_start import warm_started
from training.places import Places

ROUNDS = 10
_FIRST_MEASURED, _MEASURING_SHARE = 3, 0.15
"""Before that round little is learnt. Beyond that share of the time, rounds go unmeasured; the last one never does."""
_WARM_SHARE = 0.5
"""Of the learning rate, for weights that know the task already."""


@dataclass(frozen=True, slots=True)
class Taught:
    learnt: Learnt
    quality: float | None
    """On the validation photos; None: not measured."""
    figures: Mapping[str, float]
    warm_started_from: str | None
    """Version of the live model."""
    history: Sequence[Line]


def trained(
    lesson: Lesson, settings: Hyperparameters, deadline: Deadline, stop: Stop, places: Places, fabric: Fabric, mark: str
) -> Taught | None:
    """The best network of the course, by its quality on the validation photos; the last one if it was not measured.

    Goes on where the checkpoint of `mark` (a fingerprint) stands, ends in time, and early when asked to stop.
    None on all processes but the first. Raises JobFailed.
    """
    with loading(int(os.environ.get("LOCAL_WORLD_SIZE", "1"))) as pool:
        course = _Course(lesson, settings, deadline, stop, places, fabric, mark)
        batches = Batches(
            lesson, pool, size=settings.batch_size, seed=settings.seed,
            part=fabric.global_rank, parts=fabric.world_size, step=course.standing.step,
        )  # fmt: skip
        while (done := course.done()) < 1:
            course.step(batches, done)
            if done * ROUNDS >= course.standing.rounds + 1:
                course.end_round(batches)
    return course.ended(batches)


class _Course:
    def __init__(
        self, lesson: Lesson, settings: Hyperparameters, deadline: Deadline, stop: Stop, places: Places,
        fabric: Fabric, mark: str,
    ) -> None:  # fmt: skip
        self._lesson, self._settings, self._stop = lesson, settings, stop
        self._fabric, self._mark, self._checkpoints = fabric, mark, places.checkpoints
        saved = fabric.broadcast(read_checkpoint(places.checkpoints, mark) if fabric.is_global_zero else None)
        self.standing = Standing(**saved["standing"]) if saved else Standing()
        if settings.warm_start and not saved:
            self.standing.warm_started_from = warm_started(lesson, settings.encoder, places.channel("live"))
        share = 1.0 if self.standing.warm_started_from is None else _WARM_SHARE
        self._learner = Learner(lesson, settings, fabric, settings.learning_rate * share)
        if saved:
            self._learner.restore(saved["learner"])
        self._kept: Mapping[str, Tensor] | None = saved["kept"] if saved else None
        self._samples = settings.batch_size * fabric.world_size
        self._steps = max(1, settings.epochs * len(lesson) // self._samples)
        self._clock, self._round_end_s = Clock(deadline, self.standing.used_s), 0.0
        self._measuring_s = 0.0
        self._progress = self._told_progress(places) if fabric.is_global_zero else None
        self._meter = Meter(0.0)

    def done(self) -> float:
        """The share of the course, by steps or by time, whichever is further on; 1 and more: it is over."""
        standing = self.standing
        tired = 0 < self._settings.patience <= standing.without_gain
        mine = math.inf if self._stop.asked or tired else self._clock.share(self._round_end_s)
        agreed = self._fabric.all_reduce(torch.tensor(mine, device=self._fabric.device), reduce_op="max")
        return float(max(standing.step / self._steps, agreed.item()))

    def step(self, batches: Batches, done: float) -> None:
        self.standing.step += 1
        self._meter.add(self._learner.step(batches.next(), self.standing.step, done))

    def end_round(self, batches: Batches) -> None:
        begun_s = time.monotonic()
        self.standing.rounds += 1
        is_due = self.standing.rounds >= _FIRST_MEASURED and self._measuring_s < _MEASURING_SHARE * self._clock.used_s()
        measured = self._measured() if is_due else NOTHING_MEASURED
        self._tell(batches, measured)
        agreed = measured._replace(quality=self._fabric.broadcast(measured.quality))
        if self.standing.keeps(agreed):
            self._kept = {name: value.cpu().clone() for name, value in self._learner.mean.state_dict().items()}
        self._save()
        self._round_end_s = max(self._round_end_s, time.monotonic() - begun_s)
        self._meter = Meter(batches.waited_s)

    def ended(self, batches: Batches) -> Taught | None:
        """The last network if it is as good as the one that is kept, or if there is no time left to tell."""
        self._save()
        if self._progress is None:
            return None
        in_time = self._clock.left_s() > self._round_end_s / 4
        measured = self._measured() if in_time else NOTHING_MEASURED
        self._tell(batches, measured)
        self._progress.close()
        standing, mean = self.standing, self._learner.mean
        if self._kept is not None and measured.quality is not None and not standing.keeps(measured):
            mean.load_state_dict(self._kept)
            measured = Measured(standing.kept_quality, standing.kept_figures, {})
        return Taught(
            self._lesson.finished(mean), measured.quality, measured.figures,
            standing.warm_started_from, standing.history,
        )  # fmt: skip

    def _measured(self) -> Measured:
        """By the first process only."""
        if not self._fabric.is_global_zero:
            return NOTHING_MEASURED
        begun_s = time.monotonic()
        with torch.inference_mode():
            measured = self._lesson.measured(self._learner.mean, pictures=True)
        self._measuring_s += time.monotonic() - begun_s
        return measured

    def _tell(self, batches: Batches, measured: Measured) -> None:
        standing, before = self.standing, self.standing.history[-1] if self.standing.history else {}
        told = self._meter.told(self._samples, batches.waited_s, before)
        if self._progress:
            epoch = standing.step * self._samples / len(self._lesson)
            line = {"step": standing.step, "epoch": epoch, "seconds": self._clock.used_s()}
            self._progress.round(line | {"learning_rate": self._learner.learning_rate} | told, measured)

    def _save(self) -> None:
        if self._fabric.is_global_zero:
            self.standing.used_s = self._clock.used_s()
            state = {"standing": asdict(self.standing), "learner": self._learner.state(), "kept": self._kept}
            save_checkpoint(self._checkpoints, self._mark, state)

    def _told_progress(self, places: Places) -> Progress:
        return Progress(places.tensorboard, self._settings, step=self.standing.step, history=self.standing.history)
