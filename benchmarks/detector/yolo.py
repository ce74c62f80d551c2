"""YOLO11n by Ultralytics' command line, which uv runs in an environment made for the purpose.

Its own defaults, but: on all processors (it takes one), from scratch, no mixed precision (it wants a GPU), and no
validation while it learns, which is what `time` is for. It fits its schedule to the time after each epoch. The last
network is tested, as of the others.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from uv import find_uv_bin

from benchmarks.detector.contender import Course, Job, ProgramFailed, run_program
from benchmarks.detector.finds import Find, Outcome
from loc360.wire import Box
from phenoloop.local_aws.environments import REQUIREMENTS
from training.data.dataset import LabelledPhoto, read_labels, read_photos

VERSION = "8.4.190"
_BATCH = 8
_PROGRAM = (
    "import os, ultralytics.utils.torch_utils as t; t.NUM_THREADS = os.cpu_count(); "
    "from ultralytics.cfg import entrypoint; entrypoint()"
)
_TRAINING = ("model=yolo11n.yaml", "pretrained=False", "imgsz=640", f"batch={_BATCH}", "amp=False", "val=False",
             "plots=False")  # fmt: skip
_TEST = ("imgsz=640", "conf=0.001", "iou=0.7", "max_det=300", "save=False", "save_txt=True", "save_conf=True")
_SPEED = re.compile(r"Speed: ([\d.]+)ms preprocess, ([\d.]+)ms inference, ([\d.]+)ms postprocess per image")


class Yolo:
    def made_with(self, job: Job) -> Mapping[str, str]:  # noqa: ARG002  # as all contenders
        return {"version": VERSION, "training": " ".join(_TRAINING), "test": " ".join(_TEST)}

    def train(self, job: Job) -> Course:
        lay_out(job)
        self._run(["version"], job, "environment.log")
        data, hours = f"data={job.base / 'data.yaml'}", f"time={job.budget_s / 3600:.6f}"
        to = (f"project={job.base.resolve()}", "name=run", "exist_ok=True")
        cost = self._run(["detect", "train", *_TRAINING, data, hours, *to], job, "train.log")
        epochs = len((job.base / "run/results.csv").read_text().splitlines()) - 1
        return Course(epochs, epochs * math.ceil(len(read_photos(job.train)) / _BATCH), *cost)

    def test(self, job: Job) -> Outcome:
        photos, labels = read_photos(job.test), read_labels(job.test)
        model, source = f"model={job.base / 'run/weights/last.pt'}", f"source={job.base / 'images/test'}"
        to = (f"project={job.base.resolve()}", "name=finds", "exist_ok=True")
        self._run(["detect", "predict", model, source, *_TEST, *to], job, "test.log")
        return Outcome(
            {photo.source: finds_of(job.base / "finds/labels", photo, labels) for photo in photos},
            seconds_per_photo(job.base / "test.log"),
        )

    def _run(self, words: Sequence[str], job: Job, log: str) -> tuple[float, float]:
        """Wall and processor seconds."""
        environment = ["--from", f"ultralytics=={VERSION}", "--constraints", str(REQUIREMENTS / "training.txt")]
        command = [find_uv_bin(), "tool", "run", "--quiet", *environment, "python", "-c", _PROGRAM, *words]
        own = {"YOLO_CONFIG_DIR": str(job.base.resolve()), "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
        cost = run_program(command, job, log, own)
        return cost.wall_s, cost.cpu_s


def lay_out(job: Job) -> None:
    """`images/`, `labels/` and `data.yaml` as Ultralytics' detection data sets have them; training photos validate."""
    labels = read_labels(job.train)
    for name, folder in (("train", job.train), ("test", job.test)):
        (job.base / "images" / name).mkdir(parents=True)
        for photo in read_photos(folder):
            (job.base / "images" / name / photo.file.name).symlink_to(photo.file.resolve())
    texts = job.base / "labels/train"
    texts.mkdir(parents=True)
    for photo in read_photos(job.train):
        (texts / f"{photo.file.stem}.txt").write_text(text_of(photo, labels))
    names = json.dumps(dict(enumerate(labels)))
    where = json.dumps(str(job.base.resolve()))
    (job.base / "data.yaml").write_text(f"path: {where}\ntrain: images/train\nval: images/train\nnames: {names}\n")


def text_of(photo: LabelledPhoto, labels: Sequence[str]) -> str:
    """One line an object: label index, middle, width and height, as shares of the photo."""
    lines = []
    for thing in photo.objects:
        x0, y0, x1, y1 = thing.box_px
        shares = ((x0 + x1) / 2 / photo.width_px, (y0 + y1) / 2 / photo.height_px,
                  (x1 - x0) / photo.width_px, (y1 - y0) / photo.height_px)  # fmt: skip
        lines.append(f"{labels.index(thing.label or '')} " + " ".join(f"{share:.8f}" for share in shares) + "\n")
    return "".join(lines)


def finds_of(folder: Path, photo: LabelledPhoto, labels: Sequence[str]) -> tuple[Find, ...]:
    """Of lines as `text_of` has them, with the score behind; without a file nothing was found."""
    file = folder / f"{photo.file.stem}.txt"
    return tuple(_find(line.split(), photo, labels) for line in file.read_text().splitlines()) if file.exists() else ()


def _find(words: Sequence[str], photo: LabelledPhoto, labels: Sequence[str]) -> Find:
    kind, (x, y, width, height, score) = int(words[0]), map(float, words[1:])
    half_x, half_y = width / 2, height / 2
    edges = (x - half_x, y - half_y, x + half_x, y + half_y)
    sides = (photo.width_px, photo.height_px) * 2
    return Find(labels[kind], Box(*(edge * side for edge, side in zip(edges, sides, strict=True))), score)


def seconds_per_photo(log: Path) -> float:
    """Raises ProgramFailed if it did not look at the photos."""
    told = _SPEED.search(log.read_text())
    if told is None:
        raise ProgramFailed("YOLO does not say how long it took: it saw no photo.", cure="See its log.", log=log)
    return sum(map(float, told.groups())) / 1000
