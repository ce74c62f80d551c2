"""`python -m benchmarks.detector.module MODEL_FOLDER TEST_FOLDER FILE`, in the training environment.

What a TorchScript detector finds on photos: (3, H, W) uint8 RGB in; boxes, label indices and scores out.
"""

import json
import sys
import time
from pathlib import Path

import torch

from benchmarks.detector.finds import Find, Outcome, write_outcome
from loc360.photo import read_photo
from loc360.wire import Box
from training.data.dataset import read_photos

_WARM_UP = 3
"""TorchScript compiles itself in its first calls."""


def tested(model: Path, test: Path) -> Outcome:
    module = torch.jit.load(str(model / "model.pt"), map_location="cpu").eval()
    labels = json.loads((model / "model.json").read_text())["labels"]
    photos = read_photos(test)
    finds: dict[str, tuple[Find, ...]] = {}
    used_s = 0.0
    with torch.inference_mode():
        for _ in range(_WARM_UP):
            module(_image(photos[0].file))
        for photo in photos:
            image = _image(photo.file)
            started_s = time.perf_counter()
            boxes, kinds, scores = module(image)
            used_s += time.perf_counter() - started_s
            found = zip(boxes.tolist(), kinds.tolist(), scores.tolist(), strict=True)
            finds[photo.source] = tuple(Find(labels[kind], Box(*box), score) for box, kind, score in found)
    return Outcome(finds, used_s / len(photos))


def _image(file: Path) -> torch.Tensor:
    return torch.from_numpy(read_photo(str(file)).transpose(2, 0, 1).copy())


if __name__ == "__main__":
    write_outcome(Path(sys.argv[3]), tested(Path(sys.argv[1]), Path(sys.argv[2])))
