"""The course of a training: as many steps as the time allows, the mean of the weights, a line of progress a round.

Learning rate: one cycle over the share that is done of the steps or of the time, whichever is further on (Smith &
Topin, arXiv:1708.07120). What is kept are the weights' exponential means (Polyak & Juditsky, SIAM J.
Control Optim. 30, 1992).
"""

import copy
import json
import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from training.hyperparameters import Hyperparameters

ROUNDS = 10
"""How often the progress is measured on the validation photos."""
MOST_MEASURED = 24
"""Validation photos that are measured each time: more cost time that the training lacks."""
_WARM_UP = 0.1
_ENCODER_SHARE = 0.2
"""Of the learning rate, for weights that are trained already."""
_NEAR_ENOUGH = 0.02
"""What a later model may be worse on so few validation photos and still be thought the better one."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """On time.monotonic's clock."""

    started_s: float
    limit_s: float

    def left_s(self) -> float:
        return self.started_s + self.limit_s - time.monotonic()


@dataclass(slots=True)
class Stop:
    """Set by SIGTERM, which SageMaker sends two minutes before it kills."""

    asked: bool = False

    @classmethod
    def on_sigterm(cls) -> "Stop":
        stop = cls()
        signal.signal(signal.SIGTERM, lambda *_: setattr(stop, "asked", True))
        return stop


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a training ends with."""

    module: torch.nn.Module
    """To be scripted."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What `model.json` says of it beyond what all models' do."""


def trained(
    network: torch.nn.Module,
    encoder: torch.nn.Module,
    losses: Callable[[torch.nn.Module], Tensor],
    quality: Callable[[torch.nn.Module], float | None],
    *,
    steps: int,
    settings: Hyperparameters,
    deadline: Deadline,
    stop: Stop,
) -> torch.nn.Module:
    """The best network of the course, by `quality` on the validation photos (None: there are none; the last one).

    The last one is what is returned, too, if there is no time left to measure it.
    `losses` gives the loss of the network on a fresh batch. Ends in time, and early when asked to stop.
    """
    optimizer = _optimizer(network, encoder, settings.learning_rate)
    highest = [group["lr"] for group in optimizer.param_groups]
    begun_s, budget_s = time.monotonic(), max(deadline.left_s(), 1.0)
    mean = Mean(network)
    best, best_quality = mean.network, -math.inf
    seen_loss, taken, rounds, measuring_s = 0.0, 0, 0, 0.0
    for step in range(1, steps + 1):
        done = max((step - 1) / steps, (time.monotonic() - begun_s) / max(budget_s - measuring_s, 1.0))
        if done >= 1 or stop.asked:
            break
        for group, rate in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = rate * one_cycle(done)
        network.train()
        loss = losses(network)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        mean.update(network, step)
        seen_loss, taken = seen_loss + float(loss.detach()), taken + 1
        if done * ROUNDS >= rounds + 1:
            rounds += 1
            measured_s = time.monotonic()
            reached = _measured(mean.network, quality) if rounds >= ROUNDS // 3 else None
            measuring_s = time.monotonic() - measured_s
            _say(step, seen_loss / taken, reached, begun_s)
            seen_loss, taken = 0.0, 0
            if reached is not None and reached >= best_quality - _NEAR_ENOUGH:
                best, best_quality = copy.deepcopy(mean.network), max(reached, best_quality)
    in_time = deadline.left_s() > measuring_s / 2
    reached = _measured(mean.network, quality) if in_time else None
    _say(step, seen_loss / max(taken, 1), reached, begun_s)
    return mean.network if reached is None or reached >= best_quality - _NEAR_ENOUGH else best


def one_cycle(done: float) -> float:
    """Share of the highest learning rate when `done` (0..1) of the course is."""
    if done < _WARM_UP:
        return 0.05 + 0.95 * done / _WARM_UP
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2


class Mean:
    """The exponential mean of a network's weights; young means forget faster."""

    def __init__(self, network: torch.nn.Module, *, memory: float = 0.98) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._memory = memory

    def update(self, network: torch.nn.Module, step: int) -> None:
        kept = min(self._memory, step / (step + 9))
        for mean, value in zip(self.network.parameters(), network.parameters(), strict=True):
            mean.lerp_(value.detach(), 1 - kept)
        for own, value in zip(self.network.buffers(), network.buffers(), strict=True):
            if own.is_floating_point():
                own.copy_(value)  # the statistics of batch norms are means already


def _optimizer(network: torch.nn.Module, encoder: torch.nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    old = set(encoder.parameters())
    new = [weights for weights in network.parameters() if weights not in old]
    groups = [
        {"params": [weights for weights in old if weights.requires_grad], "lr": learning_rate * _ENCODER_SHARE},
        {"params": new, "lr": learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.01)


def _measured(network: torch.nn.Module, quality: Callable[[torch.nn.Module], float | None]) -> float | None:
    with torch.inference_mode():
        return quality(network.eval())


def _say(step: int, loss: float, quality: float | None, begun_s: float) -> None:
    progress = {"step": step, "loss": round(loss, 4), "validation": quality and round(quality, 4),
                "seconds": round(time.monotonic() - begun_s, 1)}  # fmt: skip
    print(json.dumps(progress), flush=True)  # noqa: T201  # a training job's log is its standard output
