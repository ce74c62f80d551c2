"""What leaves a training: an export that is held against what was learnt, weights that a later training can take."""

import json
from pathlib import Path

import pytest

from tests.integration.training_jobs import told

pytestmark = pytest.mark.integration

ROWS = """
import io, json, sys, tarfile, torch
from pathlib import Path
from training.learning.warm_start import warm_started
class Network(torch.nn.Module):
    def __init__(self, labels):
        super().__init__()
        self.body, self.kinds = torch.nn.Linear(2, 2), torch.nn.Linear(2, labels)
    def forward(self, x): return self.kinds(self.body(x))
class Lesson:
    network_name, per_label = "small-1", ("kinds.weight", "kinds.bias")
    def __init__(self, labels): self.labels, self.network = labels, Network(len(labels))
live, later = Lesson(["carrot", "Green Pepper"]), Lesson(["beet", "green_pepper", "carrot"])
about = {"network": "small-1", "encoder": "e", "labels": live.labels, "version": "v"}
written = io.BytesIO()
torch.jit.save(torch.jit.trace(live.network, torch.zeros(1, 2)), written)
with tarfile.open(Path(sys.argv[1]) / "model.tar.gz", "w:gz") as tar:
    files = {"model.json": json.dumps(about).encode(), "code/inference.py": b"", "model.pt": written.getvalue()}
    for name, content in files.items():
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
beet = later.network.kinds.weight[0].clone()
version = warm_started(later, "e", Path(sys.argv[1]))
weights, known = later.network.kinds.weight, live.network.kinds.weight
same = [weights[1].equal(known[1]), weights[2].equal(known[0]), weights[0].equal(beet)]
print(json.dumps([version, all(same), later.network.body.weight.equal(live.network.body.weight)]))
"""


def test_what_belongs_to_a_label_is_taken_over_by_its_name(training_python: Path, tmp_path: Path) -> None:
    assert told(training_python, ROWS, str(tmp_path)) == ["v", True, True]


PARITY = """
import json, sys, torch
from pathlib import Path
from training.data.dataset import LabelledPhoto
from training.errors import JobFailed
from training.archives.parity import checked_parity
import cv2, numpy as np
cv2.imwrite(sys.argv[1] + "/a.jpg", np.full((60, 80, 3), 90, np.uint8))
photos = [LabelledPhoto(Path(sys.argv[1]) / "a.jpg", "s3://a", None, 80, 60, None, ())]
def finds(moved_px, brighter, has_faintest):
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 20, 40, 40], [1, 1, 5, 5]]) + torch.tensor([[0.0], [moved_px], [0]])
    found = boxes, torch.tensor([0, 1, 1]), torch.tensor([0.9, 0.5 + brighter, 0.05])
    return found if has_faintest else tuple(part[:2] for part in found)
def answer(difference):
    try:
        parity = checked_parity("detector", lambda _: finds(0, 0, True), lambda _: finds(*difference), photos)
    except JobFailed as error:
        return str(error)
    return [parity.box_px, parity.score]
print(json.dumps([answer(difference) for difference in json.loads(sys.argv[2])]))
"""


def test_an_export_may_differ_within_the_tolerance_only(training_python: Path, tmp_path: Path) -> None:
    within = [(0.4, 0, True), (0, 9e-4, True), (0, 0, False)]
    beyond = [(0.6, 0, True), (0, 2e-3, True)]
    answers = told(training_python, PARITY, str(tmp_path), json.dumps(within + beyond))
    assert answers[:3] == [pytest.approx(difference[:2], abs=1e-5) for difference in within]
    assert all("Nothing was registered" in answer for answer in answers[3:])


STEPS = """
import json, torch
from training.hyperparameters import Hyperparameters
from training.learning.optimisation import Mean, one_cycle, optimizer_of
class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
network = Network()
groups = optimizer_of(network, Hyperparameters("detector", weight_decay=0.1), 0.01).param_groups
told = [[len(group["params"]), group["lr"], group["weight_decay"]] for group in groups]
mean = Mean(network)
with torch.no_grad():
    network.head.bias.add_(10.0)
    for step in range(1, 500):
        mean.update(network, step)
near = float((mean.network.head.bias - network.head.bias).abs())
print(json.dumps([told, [one_cycle(share) for share in (0.0, 0.1, 0.5, 1.0)], near]))
"""


def test_the_encoder_learns_slower_biases_do_not_decay_and_the_mean_follows(training_python: Path) -> None:
    groups, cycle, near = told(training_python, STEPS)
    assert groups == [[1, 0.002, 0.1], [1, 0.002, 0.0], [1, 0.01, 0.1], [1, 0.01, 0.0]]
    assert cycle == pytest.approx([0.05, 1.0, 0.59, 0.01], abs=0.01)
    assert near < 0.01
