"""How the weights move: timm's optimisers, one cycle of the learning rate, and the mean of the weights.

Learning rate: Smith & Topin, arXiv:1708.07120. What is kept are the weights' exponential means (Polyak & Juditsky, SIAM
J. Control Optim. 30, 1992).
"""

import copy
import math

import torch
from timm.optim import create_optimizer_v2, list_optimizers

from training.errors import JobFailed
from training.hyperparameters import Hyperparameters

MOST_GRADIENT = 5.0
"""Norm to which the gradient is clipped."""
_WARM_UP = 0.1
_ENCODER_SHARE = 0.2
"""Of the learning rate, for weights that are trained already."""


def optimizer_of(network: torch.nn.Module, settings: Hyperparameters, learning_rate: float) -> torch.optim.Optimizer:
    """`network.encoder` learns slower; biases, norms and single numbers do not decay. Raises JobFailed."""
    groups = []
    for is_encoder, rate in ((True, learning_rate * _ENCODER_SHARE), (False, learning_rate)):
        named = [
            (name, weights)
            for name, weights in network.named_parameters()
            if weights.requires_grad and name.startswith("encoder.") is is_encoder
        ]
        for decays, decay in ((True, settings.weight_decay), (False, 0.0)):
            weights = [value for name, value in named if (value.ndim > 1 and not name.endswith(".bias")) is decays]
            if weights:
                groups.append({"params": weights, "lr": rate, "weight_decay": decay})
    try:
        return create_optimizer_v2(groups, settings.optimizer, lr=learning_rate, weight_decay=settings.weight_decay)
    except (ValueError, AssertionError, RuntimeError, ImportError) as error:
        names = ", ".join(list_optimizers(exclude_filters=["fused*", "bnb*", "apex*"]))
        raise JobFailed(f"timm makes no optimizer {settings.optimizer!r} here ({error}); there are {names}.") from error


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
            if value.requires_grad:
                mean.lerp_(value.detach(), 1 - kept)
        for own, value in zip(self.network.buffers(), network.buffers(), strict=True):
            if own.is_floating_point():
                own.copy_(value)  # the statistics of batch norms are means already
