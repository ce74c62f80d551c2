"""Parts of the training that need its environment: augmentations, and the quick backward pass."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from phenoloop.local_aws.environments import REPOSITORY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

AUGMENTED = """
import json
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from training.looks.augmentations import POLICIES, augmentation
from training.hyperparameters import CHOICES

image = np.random.default_rng(0).integers(40, 200, (96, 128, 3), dtype=np.uint8)
image[30:60, 40:80] = (230, 30, 30)
told = {"policies": sorted(POLICIES), "choices": sorted(CHOICES["augmentation"]), "by": {}}
for name in POLICIES:
    policy = augmentation(name)
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda seed: policy(np.random.default_rng(seed), image), range(24)))
    again = [policy(np.random.default_rng(seed), image) for seed in range(24)]
    red = [view[..., 0].astype(int) - view[..., 2] for view in many]
    told["by"][name] = {
        "same_again": all(np.array_equal(a, b) for a, b in zip(many, again)),
        "shapes": sorted({(*view.shape, str(view.dtype)) for view in many}),
        "views": len({view.tobytes() for view in many}),
        "red_stays": min(float(there[30:60, 40:80].mean() - there.mean()) for there in red),
    }
print(json.dumps(told))
"""
BACKWARD = """
import json, torch
from training.learning.depthwise import Depthwise

torch.manual_seed(0)
off = []
for channels, kernel, stride in ((48, 5, 1), (48, 3, 2)):
    plain = torch.nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels)
    ours = Depthwise(plain)
    features, exact = (torch.randn(2, channels, 12, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
                       for _ in range(2))
    direction = torch.randn_like(plain(exact))
    (plain(exact) * direction).sum().backward()
    of_weight, plain.weight.grad = plain.weight.grad, None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        said = ours(features)
    (said.float() * direction).sum().backward()
    for mine, true in ((features.grad, exact.grad), (ours.weight.grad, of_weight)):
        off.append(float((mine - true).norm() / true.norm()))
print(json.dumps(off))
"""


def told(python: Path, program: str) -> Any:
    done = subprocess.run(
        [python, "-W", "ignore", "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_augmentations_change_the_look_and_nothing_else(training_python: Path) -> None:
    said = told(training_python, AUGMENTED)
    assert said["policies"] == said["choices"]
    for name, views in said["by"].items():
        assert views["shapes"] == [[96, 128, 3, "uint8"]], name
        assert views["same_again"], f"{name}: threads make a difference"
        assert views["views"] == 1 if name == "none" else views["views"] > 12
        assert views["red_stays"] > 20, f"{name}: what is red must stay the reddest"


def test_the_quick_backward_pass_gives_the_same_gradients(training_python: Path) -> None:
    assert max(told(training_python, BACKWARD)) < 0.01
