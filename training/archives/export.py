"""From what was learnt to what an endpoint loads, held against each other before anything leaves the job."""

import copy
import io
from typing import Any

import torch

from training.archives.archive import packed_module
from training.learning.encoders import Encoder


def exported(module: torch.nn.Module) -> bytes:
    """TorchScript's file of the module, its encoder traced, since endpoints have no timm."""
    served = copy.copy(module.eval())
    served._modules = dict(module._modules)  # noqa: SLF001  # a copy that shares all weights
    if isinstance(served.encoder, Encoder):
        served.encoder = served.encoder.traced()
    return packed_module(torch.jit.script(served))


def loaded(model: bytes) -> Any:
    """As an endpoint loads it (`serving.inference`)."""
    module = torch.jit.load(io.BytesIO(model), map_location="cpu").eval()
    return torch.jit.optimize_for_inference(torch.jit.freeze(module))
