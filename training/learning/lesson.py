"""What a stage teaches its network, and what comes of it: between the course of a training and the two stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from loc360.wire import Image


class Measured(NamedTuple):
    """How good a network is on the validation photos."""

    quality: float | None
    """What is maximised, 0 to 1; None: there is nothing to measure it by."""
    figures: Mapping[str, float]
    """precision, recall, f1, ..."""
    pictures: Mapping[str, Image]
    """(h, w, 3) uint8 RGB each: the confusion, what is found on photos."""


NOTHING_MEASURED = Measured(None, {}, {})


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a training ends with."""

    module: torch.nn.Module
    """On the CPU, to be scripted."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What `model.json` says of it beyond what all models' do."""


class Lesson(Protocol):
    @property
    def network(self) -> torch.nn.Module:
        """Its `encoder` (`training.learning.encoders.Encoder`) learns slower than the rest."""

    @property
    def network_name(self) -> str:
        """Of the architecture and its version: weights of networks of one name and one encoder fit each other."""

    @property
    def per_label(self) -> Sequence[str]:
        """Parameters of the network whose rows (first dimension) belong to `labels`, one each."""

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def side_px(self) -> int:
        """Long side of what the network sees."""

    def __len__(self) -> int:
        """Samples an epoch."""

    def sample(self, rng: np.random.Generator, index: int) -> Any:
        """One training sample, never twice the same. Called from several threads; all chance comes from `rng`."""

    def batch(self, samples: Sequence[Any]) -> Any:
        """Samples as nested tuples and lists of CPU tensors."""

    def losses(self, network: torch.nn.Module, batch: Any) -> Mapping[str, Tensor]:
        """Scalars by name, weighted; their sum is minimised. `network` may be a wrapper, to be called only."""

    def measured(self, network: torch.nn.Module, *, pictures: bool) -> Measured:
        """`network` is one like `network`, in evaluation mode; no gradients are kept."""

    def finished(self, network: torch.nn.Module) -> Learnt:
        """What an endpoint serves of the network, its `encoder` as it is: the export traces it."""

    def shown(self, sample: Any) -> Image:
        """A training sample as the network sees it, with its truth drawn on it."""
