"""A network that learns, step by step, and the mean of its weights, which is what is kept of it."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from training.hyperparameters import Hyperparameters
from training.learning.checkpoints import State
from training.learning.lesson import Lesson
from training.learning.optimisation import MOST_GRADIENT, Mean, one_cycle, optimizer_of


class Learner:
    def __init__(self, lesson: Lesson, settings: Hyperparameters, fabric: Fabric, learning_rate: float) -> None:
        """`learning_rate`: the highest. Raises JobFailed."""
        self._lesson, self._fabric = lesson, fabric
        network = lesson.network.to(memory_format=torch.channels_last)
        optimizer = optimizer_of(network, settings, learning_rate)
        self._shares = [group["lr"] / learning_rate for group in optimizer.param_groups]
        self._highest = learning_rate
        self._network, self._optimizer = fabric.setup(network, optimizer)
        self._mean = Mean(network)
        self.learning_rate = 0.0
        """Of the last step."""

    @property
    def mean(self) -> torch.nn.Module:
        """In evaluation mode."""
        return self._mean.network

    def step(self, batch: Any, number: int, done: float) -> Mapping[str, Tensor]:
        """The losses by name; `number` counts from 1, `done` is the share of the course."""
        self.learning_rate = self._highest * one_cycle(done)
        for group, share in zip(self._optimizer.param_groups, self._shares, strict=True):
            group["lr"] = self.learning_rate * share
        self._network.train()
        losses = self._lesson.losses(self._network, self._fabric.to_device(batch))
        self._optimizer.zero_grad()
        self._fabric.backward(torch.stack(list(losses.values())).sum())
        self._fabric.clip_gradients(self._network, self._optimizer, max_norm=MOST_GRADIENT, error_if_nonfinite=False)
        self._optimizer.step()
        self._mean.update(self._lesson.network, number)
        return {name: loss.detach() for name, loss in losses.items()}

    def state(self) -> State:
        """To go on from."""
        return {
            "network": self._lesson.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: State) -> None:
        self._lesson.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self._optimizer.load_state_dict(state["optimizer"])
