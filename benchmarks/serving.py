"""`python -m benchmarks.serving`, with the training environment's Python: what would make an endpoint's models quicker.

Of both roles, on one thread as they are served: the archive's TorchScript as it is, frozen, and optimised for inference
besides; their networks asked about several photos or crops at once, against one by one. In seconds of the processor,
which a busy machine does not change much; ratios say how often as quick. The rounds of what is compared take turns.
"""

import argparse
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.archives.export import exported, loaded
from training.detector.network import DetectorNetwork
from training.detector.served import ServedDetector
from training.detector.stage import SIDE_PX as DETECTOR_SIDE_PX
from training.learning.encoders import PACKAGED, Encoder
from training.segmenter.network import SegmenterNetwork
from training.segmenter.served import ServedSegmenter
from training.segmenter.stage import SIDE_PX as SEGMENTER_SIDE_PX

BATCHES = (2, 4, 8)
WARMING = 2

Way = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode():
        for role, measure in (("segmenter", _segmenter), ("detector", _detector)):
            print(json.dumps({"role": role} | measure(asked.rounds)), flush=True)  # noqa: T201


def _detector(rounds: int) -> dict[str, Any]:
    network = DetectorNetwork(Encoder(PACKAGED, "package"), 5).eval()
    photo = _image(768, 1024)
    batch = torch.rand(2, 3, DETECTOR_SIDE_PX * 3 // 4, DETECTOR_SIDE_PX)  # the photo and its mirror image
    scripts = _scripts(
        ServedDetector(network.encoder, network.finder, DETECTOR_SIDE_PX, least_score=0.0, most=20), (photo,), rounds
    )
    return scripts | _batches(network, (batch,), rounds)


def _segmenter(rounds: int) -> dict[str, Any]:
    network = SegmenterNetwork(Encoder(PACKAGED, "package")).eval()
    crop, side_px = _image(300, 384), SEGMENTER_SIDE_PX
    batch = torch.rand(1, 3, side_px, side_px), torch.rand(1, 5, side_px // 2, side_px // 2)
    served = ServedSegmenter(network.encoder, network.decoder, side_px)
    arguments = crop, torch.tensor([60.0, 50.0, 320.0, 250.0]), None
    return _scripts(served, arguments, rounds) | _batches(network, batch, rounds)


def _scripts(served: torch.nn.Module, arguments: Sequence[Any], rounds: int) -> dict[str, Any]:
    model = exported(served)
    ways: dict[str, Any] = {
        "script": torch.jit.load(io.BytesIO(model)).eval(),
        "frozen": torch.jit.freeze(torch.jit.load(io.BytesIO(model)).eval()),
        "optimised": loaded(model),
    }
    seconds = _medians({name: partial(way, *arguments) for name, way in ways.items()}, rounds)
    first, *others = (way(*arguments) for way in ways.values())
    return {
        "script_s": round(seconds["script"], 4),
        **{f"{name}_ratio": round(seconds["script"] / seconds[name], 3) for name in ("frozen", "optimised")},
        "largest_difference": [_difference(first, other) for other in others],
    }


def _batches(network: torch.nn.Module, one: Sequence[Tensor], rounds: int) -> dict[str, Any]:
    """How much quicker several are together than one by one."""
    together = {
        f"{count}_together": partial(network, *(part.repeat(count, 1, 1, 1) for part in one)) for count in (1, *BATCHES)
    }
    seconds = _medians(together, rounds)
    alone_s = seconds["1_together"]
    return {
        "network_s": round(alone_s, 4),
        **{f"{count}_together_ratio": round(count * alone_s / seconds[f"{count}_together"], 3) for count in BATCHES},
    }


def _medians(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Seconds, by name."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(WARMING + rounds):
        for name, way in ways.items():
            started_s = time.process_time()
            way()
            if turn >= WARMING:
                taken[name].append(time.process_time() - started_s)
    return {name: float(np.median(seconds)) for name, seconds in taken.items()}


def _difference(one: Any, other: Any) -> float:
    """Largest, of all outputs; of masks the share of pixels."""
    if isinstance(one, Tensor):
        return float((one != other).float().mean()) if one.dtype == torch.bool else float((one - other).abs().max())
    return max((_difference(a, b) for a, b in zip(one, other, strict=True)), default=0.0)


def _image(height: int, width: int) -> Tensor:
    """(3, h, w) uint8: a bright disc on a grained table."""
    rows, columns = np.ogrid[:height, :width]
    disc = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 3) ** 2
    grained = np.random.default_rng(0).normal(100, 10, (3, height, width)) + 100 * disc
    return torch.from_numpy(np.clip(grained, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
