"""The training container: `python -m training train` under SageMaker's file contract, and its models being served."""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from loc360.wire import (
    Box,
    DetectorRequest,
    Echo,
    Point,
    SegmenterRequest,
    decode_detector_reply,
    decode_segmenter_replies,
    encode_detector_request,
    encode_segmenter_request,
    mask_base64,
)
from phenoloop.demo.scenes.scene import Scene, render_scene
from phenoloop.local_aws.environments import REPOSITORY, environment_python
from tests.integration.containers import Container, running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

Objects = list[dict[str, Any]]
WIDTH_PX, HEIGHT_PX = 640, 480


@pytest.fixture(scope="session")
def training_python() -> Path:
    """The training environment's interpreter: `PHENOLOOP_TRAINING_PYTHON`, else the one a stack would install."""
    given = os.environ.get("PHENOLOOP_TRAINING_PYTHON")
    return Path(given) if given else environment_python("training")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(seed, width_px=WIDTH_PX, height_px=HEIGHT_PX, max_objects=6) for seed in range(9200, 9204)]


def objects_of(scene: Scene, *, masks: bool = True) -> Objects:
    found = []
    for instance in scene.instances:
        ys, xs = np.nonzero(instance.mask)
        if len(xs):
            x0, y0, x1, y1 = int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1
            mask = mask_base64(instance.mask[y0:y1, x0:x1]) if masks else None
            label = None if instance.label == "potato" else instance.label
            found.append({"label": label, "box_px": [x0, y0, x1, y1], "mask": mask, "origin_px": [x0, y0]})
    return found


def write_channel(folder: Path, scenes: list[Scene], objects: list[Objects]) -> None:
    folder.mkdir(parents=True)
    lines = []
    for index, (scene, there) in enumerate(zip(scenes, objects, strict=True)):
        cv2.imwrite(str(folder / f"{index:04d}.jpg"), scene.photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        size = {"width_px": WIDTH_PX, "height_px": HEIGHT_PX, "mm_per_px": scene.mm_per_px}
        named = {"file": f"{index:04d}.jpg", "photo": f"s3://loop/images/{index}.jpg", "group": None}
        lines.append(json.dumps(named | {"objects": there} | size))
    (folder / "photos.jsonl").write_text("\n".join(lines))


def job(
    base: Path, scenes: list[Scene], objects: list[Objects], *, validation: int = 1, **hyperparameters: str
) -> Path:
    """`base` with what SageMaker lays there before a training starts; the last scenes are for validation."""
    write_channel(base / "input/data/train", scenes[:-validation], objects[:-validation])
    write_channel(base / "input/data/validation", scenes[-validation:], objects[-validation:])
    config = base / "input/config/hyperparameters.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"epochs": "1", "batch_size": "2", "time_limit_s": "300"} | hyperparameters))
    return base


def start(python: Path, base: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"SAGEMAKER_BASE_DIR": str(base), "TRAINING_JOB_NAME": "job-7", "OMP_NUM_THREADS": "1"}
    command = [str(python), "-W", "ignore", "-m", "training", "train"]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)


def trained(python: Path, base: Path) -> list[dict[str, float]]:
    """What a training that must end well says of its progress."""
    process = start(python, base)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return [json.loads(line) for line in said.splitlines()]


def failure(python: Path, base: Path) -> str:
    """The reason that a training leaves which can't be done."""
    process = start(python, base)
    process.communicate(timeout=300)
    assert process.returncode == 1
    return (base / "output/failure").read_text()


@pytest.fixture(scope="module")
def detector_job(
    training_python: Path, scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, float]]]:
    objects = [objects_of(scene) for scene in scenes]
    base = job(tmp_path_factory.mktemp("job"), scenes, objects, stage="detector", epochs="12", batch_size="1")
    return base, trained(training_python, base)


@pytest.fixture(scope="module")
def segmenter_job(
    training_python: Path, scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, float]]]:
    objects = [objects_of(scene) for scene in scenes]
    base = job(tmp_path_factory.mktemp("job"), scenes, objects, stage="segmenter", epochs="3", batch_size="2")
    return base, trained(training_python, base)


@pytest.fixture(scope="module")
def detector(detector_job: tuple[Path, Any], container_python: Path) -> Iterator[Container]:
    with running(container_python, detector_job[0]) as container:
        container.wait_for_ping(200, within_s=120)
        yield container


@pytest.fixture(scope="module")
def segmenter(segmenter_job: tuple[Path, Any], container_python: Path) -> Iterator[Container]:
    with running(container_python, segmenter_job[0]) as container:
        container.wait_for_ping(200, within_s=120)
        yield container


def test_the_loss_falls(detector_job: tuple[Path, list[dict[str, float]]]) -> None:
    losses = [line["loss"] for line in detector_job[1]]
    assert losses[-1] < 0.85 * losses[0]


def test_a_trained_detector_finds_its_training_objects_with_their_labels(
    detector: Container, scenes: list[Scene]
) -> None:
    there = found = named = 0
    for scene in scenes[:-1]:
        reply = decode_detector_reply(detector.invoke(encode_detector_request(DetectorRequest("r", scene.photo)))[1])
        for truth in objects_of(scene):
            on_it = [find for find in reply.finds if iou(Box(*truth["box_px"]), find.box) > 0.5]
            there += 1
            found += bool(on_it)
            named += bool(on_it) and truth["label"] in (None, on_it[0].label)
    assert found / there > 0.6
    assert named / found > 0.6


def iou(one: Box, other: Box) -> float:
    width, height = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    common = max(width, 0) * max(height, 0)
    return common / ((one.x1 - one.x0) * (one.y1 - one.y0) + (other.x1 - other.x0) * (other.y1 - other.y0) - common)


@pytest.mark.parametrize("by_point", [False, True])
def test_a_trained_segmenter_finds_the_object_in_a_box_and_at_a_point(
    segmenter: Container, scenes: list[Scene], *, by_point: bool
) -> None:
    ious = []
    for scene in scenes[:-1]:
        for instance in scene.instances:
            ys, xs = np.nonzero(instance.mask)
            if len(xs) < 800:
                continue
            box = Box(float(xs.min()), float(ys.min()), float(xs.max()) + 1, float(ys.max()) + 1)
            margin = int(0.25 * max(box.x1 - box.x0, box.y1 - box.y0))
            x0, y0 = max(int(box.x0) - margin, 0), max(int(box.y0) - margin, 0)
            x1, y1 = min(int(box.x1) + margin, WIDTH_PX), min(int(box.y1) + margin, HEIGHT_PX)
            middle = len(xs) // 2
            point = Point(float(xs[middle] - x0) + 0.5, float(ys[middle] - y0) + 0.5) if by_point else None
            shown = Box(box.x0 - x0, box.y0 - y0, box.x1 - x0, box.y1 - y0)
            echo = Echo("r", 0, 1, None, 1.0, box, Box(x0, y0, x1, y1))
            request = SegmenterRequest(scene.photo[y0:y1, x0:x1], shown, point, echo)
            (reply,) = decode_segmenter_replies(segmenter.invoke(encode_segmenter_request(request))[1])
            truth = instance.mask[y0:y1, x0:x1]
            ious.append((reply.mask & truth).sum() / (reply.mask | truth).sum())
    assert np.median(ious) > (0.6 if by_point else 0.75)


def test_the_model_folder_says_what_it_holds(detector_job: tuple[Path, Any], scenes: list[Scene]) -> None:
    about = json.loads((detector_job[0] / "model/model.json").read_text())
    labels = {item["label"] for scene in scenes[:-1] for item in objects_of(scene)} - {None}
    assert about["role"] == "detector"
    assert about["labels"] == sorted(labels)
    assert about["version"] == "job-7"
    assert about["score_threshold"] == 0.35  # one photo for validation can't tell
    assert about["sha256"] == hashlib.sha256((detector_job[0] / "model/model.pt").read_bytes()).hexdigest()


def test_a_detector_learns_from_boxes_alone_and_without_any_label(
    training_python: Path, scenes: list[Scene], tmp_path: Path
) -> None:
    objects = [[item | {"label": None} for item in objects_of(scene, masks=False)] for scene in scenes]
    base = job(tmp_path, scenes, objects, stage="detector", encoder_weights="none")
    assert trained(training_python, base)
    assert (base / "model/model.pt").exists()
    assert max(batch_norm_means(training_python, base / "model/model.pt")) > 0


def batch_norm_means(python: Path, model: Path) -> list[float]:
    """How far from 0 the means of each batch norm are that the model is served with."""
    program = (
        "import json, sys, torch; buffers = torch.jit.load(sys.argv[1]).named_buffers();"
        "print(json.dumps([float(value.abs().max()) for name, value in buffers if 'running_mean' in name]))"
    )
    said = subprocess.run([str(python), "-c", program, str(model)], capture_output=True, text=True, check=True)
    return [float(value) for value in json.loads(said.stdout)]


def test_a_segmenter_without_masks_stays_the_live_one(
    training_python: Path, scenes: list[Scene], tmp_path: Path
) -> None:
    base = job(tmp_path, scenes, [objects_of(scene, masks=False) for scene in scenes], stage="segmenter")
    assert trained(training_python, base) == []
    assert [file.name for file in (base / "model").iterdir()] == ["unchanged.json"]
    assert json.loads((base / "model/unchanged.json").read_text())["unchanged"] is True


def test_a_segmenter_with_nothing_but_specks_stays_the_live_one(
    training_python: Path, scenes: list[Scene], tmp_path: Path
) -> None:
    speck = {"label": "carrot", "box_px": [9, 9, 13, 13], "mask": mask_base64(np.ones((4, 4), np.bool_)),
             "origin_px": [9, 9]}  # fmt: skip
    base = job(tmp_path, scenes, [[speck] for _ in scenes], stage="segmenter")
    assert trained(training_python, base) == []
    assert [file.name for file in (base / "model").iterdir()] == ["unchanged.json"]


@pytest.mark.parametrize("stage", ["detector", "segmenter"])
def test_no_objects_are_a_failure_that_says_so(
    training_python: Path, scenes: list[Scene], tmp_path: Path, stage: str
) -> None:
    assert "no object" in failure(training_python, job(tmp_path, scenes, [[] for _ in scenes], stage=stage))


def test_weights_from_the_hub_fail_offline_with_what_to_do(
    training_python: Path, scenes: list[Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    objects = [objects_of(scene) for scene in scenes]
    base = job(tmp_path / "job", scenes, objects, stage="detector", encoder="resnet18", encoder_weights="hub")
    assert "file:s3://BUCKET/KEY" in failure(training_python, base)


def test_a_training_that_is_told_to_end_leaves_the_best_so_far(
    training_python: Path, scenes: list[Scene], tmp_path: Path
) -> None:
    objects = [objects_of(scene) for scene in scenes]
    process = start(training_python, job(tmp_path, scenes, objects, stage="segmenter", epochs="4000"))
    assert process.stdout
    assert json.loads(process.stdout.readline())["step"] > 0
    process.send_signal(signal.SIGTERM)
    asked_s = time.monotonic()
    process.communicate(timeout=200)
    assert process.returncode == 0
    assert time.monotonic() - asked_s < 110  # SageMaker kills after 120 s
    assert (tmp_path / "model/model.pt").exists()
