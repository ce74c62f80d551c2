"""`python -m benchmarks.containers.archives FOLDER`, with the training environment's Python: model folders to serve.

`light` answers at once, so that what a server itself costs shows; `segmenter` is an untrained one of the real size.
Both bring what a trained one brings: the code, a reference of drift.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from serving.facts import Facts, crop_facts, statistics
from training.archives.archive import packed_module, write_model
from training.archives.export import exported
from training.learning.encoders import PACKAGED, Encoder
from training.segmenter.network import SegmenterNetwork
from training.segmenter.served import ServedSegmenter
from training.segmenter.stage import SIDE_PX


class Light(torch.nn.Module):  # type: ignore[misc]
    """A detector: one find, which covers the photo and is as sure as the photo is bright."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        score = image.to(torch.float32).mean() / 255.0
        box = torch.tensor([[0.0, 0.0, float(image.shape[2]), float(image.shape[1])]])
        return box, torch.zeros([1], dtype=torch.int64), score.unsqueeze(0)


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    about = {"labels": ["tomato"], "score_threshold": 0.5}
    light = packed_module(torch.jit.script(Light().eval()))
    write_model(folder / "light", light, about | {"role": "detector", "drift": _drift("finds")}, {})
    network = SegmenterNetwork(Encoder(PACKAGED, "package")).eval()
    with torch.inference_mode():
        segmenter = exported(ServedSegmenter(network.encoder, network.decoder, SIDE_PX))
    write_model(folder / "segmenter", segmenter, about | {"role": "segmenter", "drift": _drift("filled")}, {})


def _drift(answered: str) -> dict[str, dict[str, object]]:
    """Of photos as they come in."""
    rng = np.random.default_rng(0)
    photos: list[Facts] = [
        crop_facts(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)) | {answered: 0.5} for _ in range(64)
    ]
    return statistics(photos)


if __name__ == "__main__":
    main()
