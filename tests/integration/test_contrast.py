"""Release 0's models: what they are worth on generated scenes, and that the same code makes the same archives."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from loc360.wire import (
    Box,
    DetectorRequest,
    Echo,
    Mask,
    SegmenterRequest,
    decode_detector_reply,
    decode_segmenter_replies,
    encode_detector_request,
    encode_segmenter_request,
)
from phenoloop.demo.scenes.scene import Scene, render_scene
from phenoloop.local_aws.environments import REPOSITORY
from tests.integration.containers import Container

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(seed, width_px=1024, height_px=768, max_objects=9) for seed in range(9100, 9110)]


def tight(mask: Mask) -> Box:
    ys, xs = np.nonzero(mask)
    return Box(float(xs.min()), float(ys.min()), float(xs.max()) + 1, float(ys.max()) + 1)


def box_iou(one: Box, other: Box) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    common = max(width, 0) * max(height, 0)
    return common / ((one.x1 - one.x0) * (one.y1 - one.y0) + (other.x1 - other.x0) * (other.y1 - other.y0) - common)


def test_most_vegetables_of_a_scene_are_found_and_little_else(detector: Container, scenes: list[Scene]) -> None:
    there = found = right = 0
    for scene in scenes:
        reply = decode_detector_reply(detector.invoke(encode_detector_request(DetectorRequest("r", scene.photo)))[1])
        truth = [tight(instance.mask) for instance in scene.instances]
        there, found = there + len(truth), found + len(reply.finds)
        right += sum(any(box_iou(box, find.box) > 0.5 for find in reply.finds) for box in truth)
    assert right / there > 0.75
    assert right / found > 0.75


def test_masks_cover_what_is_seen_of_the_vegetables(segmenter: Container, scenes: list[Scene]) -> None:
    ious = [
        mask_iou(segmenter, scene, instance.mask)
        for scene in scenes
        for instance in scene.instances
        if instance.mask.any()
    ]
    assert np.mean(ious) > 0.75
    assert np.median(ious) > 0.85


def mask_iou(segmenter: Container, scene: Scene, truth: Mask) -> float:
    box, (height, width) = tight(truth), truth.shape
    margin = 0.25 * max(box.x1 - box.x0, box.y1 - box.y0)
    x0, y0 = int(max(box.x0 - margin, 0)), int(max(box.y0 - margin, 0))
    x1, y1 = int(min(box.x1 + margin, width)), int(min(box.y1 + margin, height))
    scale = min(1.0, 384 / max(x1 - x0, y1 - y0))
    crop = cv2.resize(scene.photo[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    shown = Box((box.x0 - x0) * scale, (box.y0 - y0) * scale, (box.x1 - x0) * scale, (box.y1 - y0) * scale)
    request = SegmenterRequest(crop, shown, None, Echo("r", 0, 1, None, 1.0, box, Box(x0, y0, x1, y1)))
    (reply,) = decode_segmenter_replies(segmenter.invoke(encode_segmenter_request(request))[1])
    mask = cv2.resize(reply.mask.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST) > 0
    return float((mask & truth[y0:y1, x0:x1]).sum() / (mask | truth[y0:y1, x0:x1]).sum())


def test_the_same_code_elsewhere_makes_the_same_bytes(container_python: Path, release0: Path, tmp_path: Path) -> None:
    for room in ("training", "serving", "loc360"):
        shutil.copytree(REPOSITORY / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    command = [str(container_python), "-m", "training.contrast.export", "--out", str(tmp_path / "out")]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONHASHSEED": "5"}, check=True, capture_output=True)
    for role in ("detector", "segmenter"):
        one, other = (folder / role / "model.tar.gz" for folder in (release0, tmp_path / "out"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("role", ["detector", "segmenter"])
def test_an_archive_holds_the_model_what_to_know_of_it_and_its_code(release0: Path, role: str) -> None:
    with tarfile.open(release0 / role / "model.tar.gz") as tar:
        content = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    code = ("inference.py", *(f"loc360/{name}.py" for name in ("__init__", "bilevel", "errors", "pictures", "wire")))
    assert list(content) == [*(f"code/{file}" for file in code), "model.json", "model.pt"]
    about = json.loads(content["model.json"])
    assert about["role"] == role
    assert about["labels"] == ["carrot", "tomato", "pepper", "cucumber", "potato"]
    assert about["sha256"] == hashlib.sha256(content["model.pt"]).hexdigest()


COMPONENTS = """
import json, sys
import numpy as np, torch
from training.contrast.components import areas, boxes, painted, runs_of
runs_scripted = torch.jit.script(runs_of)
masks = np.load(sys.argv[1])
found = []
for mask in masks:
    runs = runs_scripted(torch.from_numpy(mask[None]))
    everything = torch.ones_like(areas(runs), dtype=torch.bool)
    assert torch.equal(painted(runs, everything, *mask.shape, 1)[0], torch.from_numpy(mask))
    found.append(sorted(torch.cat([boxes(runs), areas(runs).long()[:, None]], 1).tolist()))
print(json.dumps(found))
"""


def test_components_are_those_that_opencv_finds(container_python: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    masks = rng.random((60, 24, 31)) < rng.uniform(0.05, 0.95, (60, 1, 1))
    np.save(tmp_path / "masks.npy", masks)
    command = [str(container_python), "-W", "ignore", "-c", COMPONENTS, str(tmp_path / "masks.npy")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == list(map(opencv, masks))


def opencv(mask: Mask) -> list[list[int]]:
    """Box and area of each component, sorted."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return sorted([int(x), int(y), int(x + w), int(y + h), int(area)] for x, y, w, h, area in stats[1:])
