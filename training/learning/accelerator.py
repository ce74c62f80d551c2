"""What a training computes on: one machine, or one process a GPU of several, in the precision that suits it."""

import os

import torch
from lightning_fabric import Fabric

from training.errors import JobFailed

_FABRICS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def launched_fabric(precision: str) -> Fabric:
    """`precision`: a name of `training.hyperparameters`. Under torchrun all processes become one. Raises JobFailed."""
    has_gpu = torch.cuda.is_available()
    chosen = quickest_precision() if precision == "auto" else precision
    if chosen == "fp16" and not has_gpu:
        raise JobFailed("precision fp16 needs a GPU; set it to auto, fp32 or bf16.")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    hosts = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    several = "ddp_find_unused_parameters_true"  # a batch without objects leaves parts of a network without gradient
    fabric = Fabric(
        accelerator="cuda" if has_gpu else "cpu",
        devices=processes,
        num_nodes=hosts,
        strategy=several if processes * hosts > 1 else "auto",
        precision=_FABRICS[chosen],
    )
    fabric.launch()
    return fabric


def quickest_precision() -> str:
    """bf16 where the machine computes with it; fp16 on GPUs that lack it, else fp32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"
    can = torch.cpu.get_capabilities()
    return "bf16" if can.get("avx512_bf16") or can.get("amx_bf16") else "fp32"


def precision_of(fabric: Fabric) -> str:
    """Its name among the hyperparameters."""
    own = {name: ours for ours, name in _FABRICS.items()}
    return own[str(fabric.strategy.precision.precision)]


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return str(torch.cpu.get_capabilities().get("cpu_name", "cpu"))
