"""The evaluation job in the containers' environment, with release 0's models on generated scenes."""

import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from loc360.manifest import Manifest
from loc360.wire import Box
from phenoloop.demo.scenes.scene import Scene, render_scene
from phenoloop.local_aws.environments import REPOSITORY
from tests.unit.training_archives import URLS, write_archive
from training.dataset import LabelledObject, LabelledPhoto, write_photos
from training.job import ProcessingFolders
from training.masks import PlacedMask, trimmed

pytestmark = pytest.mark.integration

LABELS = ("carrot", "tomato", "pepper", "cucumber", "potato")
ROLES = ("detector", "segmenter")
About = dict[str, Any]


@pytest.fixture
def folders(release0: Path, tmp_path: Path) -> ProcessingFolders:
    """With three scenes to test on; release 0 is both live and the candidate."""
    prepared = ProcessingFolders(tmp_path)
    put_scenes(
        prepared.input("test"), [render_scene(seed, width_px=800, height_px=600, max_objects=6) for seed in (1, 2, 3)]
    )
    for role in ROLES:
        for name in (role, f"live-{role}"):
            prepared.input(name).mkdir(parents=True)
            copyfile(release0 / role / "model.tar.gz", prepared.input(name) / "model.tar.gz")
    live = Manifest("live", "phenoloop-detector", "phenoloop-segmenter", LABELS)
    prepared.input("live-manifest").mkdir()
    (prepared.input("live-manifest") / "manifest.json").write_text(json.dumps(live.to_dict()))
    return prepared


def put_scenes(folder: Path, scenes: list[Scene]) -> None:
    folder.mkdir(parents=True)
    photos = []
    for scene in scenes:
        file = f"{scene.seed:04d}.jpg"
        Image.fromarray(scene.photo).save(folder / file, quality=95)
        objects = tuple(truth(item.label, item.mask) for item in scene.instances if item.mask.sum() > 50)
        source = f"s3://loop/images/{file}"
        photos.append(LabelledPhoto(folder / file, source, None, 800, 600, scene.mm_per_px, objects))
    write_photos(folder, photos)


def truth(label: str, mask: Any) -> LabelledObject:
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return LabelledObject(label, Box(x, y, x + width, y + height), trimmed(PlacedMask(mask, (0, 0))))


def evaluate(python: Path, folders: ProcessingFolders) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(folders.base), **URLS}
    command = [str(python), "-m", "training.evaluate"]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def report(python: Path, folders: ProcessingFolders) -> dict[str, Any]:
    done = evaluate(python, folders)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folders.output("evaluation") / "evaluation.json").read_text()))


def change(archive: Path, changed: Callable[[About], About]) -> None:
    """Rewrite the archive's `model.json`."""
    with tarfile.open(archive) as tar:
        content = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    write_archive(archive, content | {"model.json": json.dumps(changed(json.loads(content["model.json"])))})


def test_a_chain_gains_nothing_over_itself(container_python: Path, folders: ProcessingFolders) -> None:
    evaluation = report(container_python, folders)
    assert evaluation["gain"] == {"mean": 0, "low": 0, "high": 0}
    assert evaluation["verdict"] == "doubtful"  # of three photos nobody can tell
    assert evaluation["quality"]["live"] > 0.3
    assert evaluation["live"]["mean_iou"] > 0.5
    assert evaluation["live"]["failed_photos"] == 0
    assert (evaluation["test_photos"], evaluation["test_regions"]) == (3, evaluation["test_masks"])
    manifest = json.loads((folders.output("evaluation") / "manifest.json").read_text())
    assert manifest == Manifest("", "phenoloop-detector", "phenoloop-segmenter", LABELS).to_dict()


def test_a_broken_candidate_loses(container_python: Path, folders: ProcessingFolders) -> None:
    """Its labels are mixed up."""
    change(
        folders.input("detector") / "model.tar.gz",
        lambda about: about | {"labels": about["labels"][1:] + about["labels"][:1]},
    )
    evaluation = report(container_python, folders)
    assert evaluation["gain"]["high"] < 0
    assert evaluation["candidate"]["box_ap50_any_label"] == evaluation["live"]["box_ap50_any_label"]


def test_the_reason_of_a_failure_is_left_for_whoever_asks(container_python: Path, folders: ProcessingFolders) -> None:
    (folders.input("segmenter") / "model.tar.gz").write_bytes(b"no archive")
    done = evaluate(container_python, folders)
    assert done.returncode == 1
    assert folders.message.read_text().startswith("segmenter/model.tar.gz can't be unpacked")
