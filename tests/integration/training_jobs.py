"""Training jobs as SageMaker lays them out and starts them, on a few generated scenes."""

import json
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loc360.wire import mask_base64
from phenoloop.demo.scenes.scene import Scene, render_scene
from phenoloop.local_aws.environments import REPOSITORY

Objects = list[dict[str, Any]]
Line = dict[str, Any]
"""Of progress."""
WIDTH_PX, HEIGHT_PX = 640, 480


def few_scenes() -> list[Scene]:
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


def start(python: Path, base: Path, **variables: str) -> "subprocess.Popen[str]":
    own = {
        "SAGEMAKER_BASE_DIR": str(base),
        "TRAINING_JOB_NAME": "job-7",
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    command = [str(python), "-m", "training", "train"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=os.environ | own | variables, stdout=pipe, stderr=pipe, text=True
    )


@dataclass(frozen=True)
class Ended:
    lines: list[Line]
    """Of progress."""
    log: str
    """For people."""


def ended(process: "subprocess.Popen[str]") -> Ended:
    """What a training that must end well says."""
    said, log = process.communicate(timeout=600)
    assert process.returncode == 0, said + log
    return Ended([json.loads(line) for line in said.splitlines()], log)


def trained(python: Path, base: Path) -> list[Line]:
    """What a training that must end well says of its progress."""
    return ended(start(python, base)).lines


def failure(python: Path, base: Path) -> str:
    """The reason that a training leaves which can't be done."""
    process = start(python, base)
    process.communicate(timeout=300)
    assert process.returncode == 1
    return (base / "output/failure").read_text()


def about(base: Path) -> dict[str, Any]:
    """`model.json`."""
    return dict(json.loads((base / "model/model.json").read_text()))


def history(base: Path) -> list[Line]:
    return [json.loads(line) for line in (base / "model/history.jsonl").read_text().splitlines()]


def made_live(model: Path, base: Path) -> None:
    """The model folder of one job as the channel `live` of another."""
    channel = base / "input/data/live"
    channel.mkdir(parents=True)
    with tarfile.open(channel / "model.tar.gz", "w:gz", compresslevel=1) as archive:
        for file in sorted(model.rglob("*")):
            archive.add(file, file.relative_to(model), recursive=False)


def told(python: Path, program: str, *words: str) -> Any:
    """The JSON that a program in the training environment prints last."""
    command = [str(python), "-W", "ignore", "-c", program, *words]
    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
