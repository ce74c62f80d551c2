"""Depthwise convolutions whose backward pass is fast on CPUs under bf16 autocast.

oneDNN's bf16 kernel for the gradient of depthwise weights is several times slower than its fp32 one
(`python -m training.learning.depthwise` measures it here), and takes half of the time of a training step. So that pass
alone is done in fp32.
"""

import time
from typing import Any

import torch
from timm.layers.padding import pad_same
from torch import Tensor
from torch.nn import functional


class Depthwise(torch.nn.Conv2d):  # type: ignore[misc]
    """In place of `conv`, whose weights it takes over."""

    def __init__(self, conv: torch.nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation,
            conv.groups, bias=conv.bias is not None, padding_mode=conv.padding_mode,
        )  # fmt: skip
        self.weight, self.bias = conv.weight, conv.bias
        self.pads_as_tensorflow = type(conv).__name__ == "Conv2dSame"

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, h, w)."""
        padding = self.padding
        if self.pads_as_tensorflow:
            features, padding = pad_same(features, self.kernel_size, self.stride, self.dilation), (0, 0)
        if not (features.device.type == "cpu" and torch.is_autocast_enabled("cpu")):
            return functional.conv2d(features, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        dtype = torch.get_autocast_dtype("cpu")
        convolved = _Convolution.apply(features.to(dtype), self.weight.to(dtype), self.stride, padding, self.dilation)
        return convolved if self.bias is None else convolved + self.bias.to(dtype).view(1, -1, 1, 1)


class _Convolution(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(context: Any, features: Tensor, weight: Tensor, *places: tuple[int, int]) -> Tensor:
        context.save_for_backward(features, weight)
        context.places = stride, padding, dilation = places
        return functional.conv2d(features, weight, None, stride, padding, dilation, weight.shape[0])

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight = context.saved_tensors
        stride, padding, dilation = context.places
        wanted = [context.needs_input_grad[0], context.needs_input_grad[1], False]
        of_features, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient.float(), features.float(), weight.float(), None, stride, padding, dilation,
            False, [0, 0], weight.shape[0], wanted,  # noqa: FBT003  # aten's own signature
        )  # fmt: skip
        return (
            *(part if part is None else part.to(gradient.dtype) for part in (of_features, of_weight)),
            None,
            None,
            None,
        )


def with_fast_depthwise(network: torch.nn.Module) -> torch.nn.Module:
    """The network, its trainable depthwise convolutions replaced."""
    for name, conv in list(network.named_modules()):
        if isinstance(conv, torch.nn.Conv2d) and 1 < conv.groups == conv.in_channels and conv.weight.requires_grad:
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, Depthwise(conv))
    return network


def _measure(conv: torch.nn.Module, features: Tensor) -> float:
    """Seconds of a step forward and back, the least of ten."""
    seconds = []
    for _ in range(10):
        begun_s = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            conv(features).float().sum().backward()
        seconds.append(time.perf_counter() - begun_s)
    return min(seconds)


if __name__ == "__main__":
    for channels, stride in ((672, 1), (1152, 1), (672, 2)):
        plain = torch.nn.Conv2d(channels, channels, 5, stride, 2, groups=channels)
        sample = torch.rand(4, channels, 30, 40).contiguous(memory_format=torch.channels_last).requires_grad_()
        ours, torchs = _measure(Depthwise(plain), sample), _measure(plain, sample)
        print(f"{channels} channels, stride {stride}: {1e3 * torchs:.1f} ms -> {1e3 * ours:.1f} ms")  # noqa: T201
