"""The evaluation job in the training container's environment, with release 0's models on generated scenes."""

import json
import os
import re
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
from training.data.dataset import LabelledObject, LabelledPhoto, write_photos
from training.job import ProcessingFolders
from training.masks import PlacedMask, trimmed

pytestmark = pytest.mark.integration

LABELS = ("carrot", "tomato", "pepper", "cucumber", "potato")
ROLES = ("detector", "segmenter")
About = dict[str, Any]


AGAINST_COCO = """
import json
from pathlib import Path
from tests.unit.scored_photos import photos, some_photo
from training.data.dataset import LabelledPhoto
from training.evaluation.chain_run import Finds, Seen
from training.evaluation.coco import coco_figures
from training.evaluation.scores import chain_scores

photo = LabelledPhoto(Path(), "", None, 1000, 100, None, ())
pairs = [some_photo(seed) for seed in range(40)]
compared = photos(*pairs)
seen = [Seen(tuple(truth), Finds(tuple(found)), item) for (truth, found), item in zip(pairs, compared)]
ours = chain_scores(compared)
box, mask = (coco_figures([photo] * len(seen), seen, kind) for kind in ("bbox", "segm"))
print(json.dumps([[ours.box_ap50, box.ap50], [ours.mask_ap50, mask.ap50], [box.ap75, box.ap]]))
"""


@pytest.fixture
def folders(release0: Path, tmp_path: Path) -> ProcessingFolders:
    return put_inputs(release0, tmp_path)


@pytest.fixture(scope="module")
def explained(release0: Path, training_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of an evaluation with all that explains it."""
    folders = put_inputs(release0, tmp_path_factory.mktemp("explained"))
    folders.input("fetch-report").mkdir()
    left_out = [{"photo": "s3://loop/images/torn.jpg", "reason": "It is <torn>."}]
    (folders.input("fetch-report") / "fetch.json").write_text(json.dumps({"left_out": left_out}))
    done = evaluate(training_python, folders, shown=2)
    assert done.returncode == 0, done.stderr
    return folders.output("evaluation")


def put_inputs(release0: Path, base: Path) -> ProcessingFolders:
    """With three scenes to test on; release 0 is both live and the candidate."""
    prepared = ProcessingFolders(base)
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


def evaluate(python: Path, folders: ProcessingFolders, shown: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "SAGEMAKER_BASE_DIR": str(folders.base),
        "REPORT_PHOTOS": str(shown),
        "RUN": "run-1",
        **URLS,
    }
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


def test_a_chain_gains_nothing_over_itself(training_python: Path, folders: ProcessingFolders) -> None:
    evaluation = report(training_python, folders)
    assert evaluation["gain"] == {"mean": 0, "low": 0, "high": 0}
    assert evaluation["verdict"] == "doubtful"  # of three photos nobody can tell
    assert evaluation["quality"]["live"] > 0.3
    assert evaluation["live"]["mean_iou"] > 0.5
    assert evaluation["live"]["failed_photos"] == 0
    assert (evaluation["test_photos"], evaluation["test_regions"]) == (3, evaluation["test_masks"])
    manifest = json.loads((folders.output("evaluation") / "manifest.json").read_text())
    assert manifest == Manifest("", "phenoloop-detector", "phenoloop-segmenter", LABELS).to_dict()


def test_a_broken_candidate_loses(training_python: Path, folders: ProcessingFolders) -> None:
    """Its labels are mixed up."""
    change(
        folders.input("detector") / "model.tar.gz",
        lambda about: about | {"labels": about["labels"][1:] + about["labels"][:1]},
    )
    evaluation = report(training_python, folders)
    assert evaluation["gain"]["high"] < 0
    assert evaluation["candidate"]["box_ap50_any_label"] == evaluation["live"]["box_ap50_any_label"]


def test_the_reason_of_a_failure_is_left_for_whoever_asks(training_python: Path, folders: ProcessingFolders) -> None:
    (folders.input("segmenter") / "model.tar.gz").write_bytes(b"no archive")
    done = evaluate(training_python, folders)
    assert done.returncode == 1
    assert folders.message.read_text().startswith("segmenter/model.tar.gz can't be unpacked")


def test_the_report_stands_on_its_own(explained: Path) -> None:
    page = (explained / "report.html").read_text()
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')]*)""", page)
    assert all(address.startswith(("#", "data:image/jpeg;base64,")) for address in addresses)
    assert "<script" not in page
    assert len(page) < 15_000_000


def test_the_report_says_and_shows_what_was_evaluated(explained: Path) -> None:
    page = (explained / "report.html").read_text()
    assert "A person has to decide" in page
    assert "It is &lt;torn&gt;." in page
    assert page.count("data:image/jpeg") == 2 * 2 + 2 * 2  # photos by both chains, and where both models look
    assert page.count("<svg") == 5


def test_all_that_explains_the_verdict_is_there(explained: Path) -> None:
    evaluation = json.loads((explained / "evaluation.json").read_text())
    assert evaluation["missing"] == {}
    assert evaluation["coco"]["live"]["mask"]["ap50"] == pytest.approx(evaluation["live"]["mask_ap50"], abs=0.02)
    assert 0 < evaluation["coco"]["live"]["mask"]["ap"] < evaluation["coco"]["live"]["mask"]["ap50"]
    assert evaluation["robustness"]["candidate"]["blur"]
    assert all(
        photo["detector"]["heat_within"] > photo["detector"]["area_within"]
        for photo in evaluation["explanations"]["photos"]
    )
    card = json.loads((explained / "model-card.json").read_text())
    assert card["model_overview"]["model_name"] == "Phenoloop chain, run run-1"


def test_our_average_precision_is_cocos(training_python: Path) -> None:
    done = subprocess.run(
        [str(training_python), "-c", AGAINST_COCO], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (our_boxes, boxes), (our_masks, masks), (ap75, ap) = json.loads(done.stdout)
    assert our_boxes == pytest.approx(boxes, abs=1e-6)
    assert our_masks == pytest.approx(masks, abs=1e-6)
    assert 0 < ap75 < ap < boxes
