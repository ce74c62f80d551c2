"""What the evaluation job is given: test photos, archives whose models need no torch, a manifest."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.unit.fake_models import COLOURS, Painted, manifest, paint, save
from training.data.dataset import LabelledObject, LabelledPhoto, write_photos
from training.job import ProcessingFolders
from training.masks import PlacedMask, trimmed

HANDLER = """
import cv2
import numpy as np
from loc360.wire import *

COLOURS = {colours}

def saturated(image):
    return (np.ptp(image.astype(np.int16), axis=2) > 100).astype(np.uint8)

def detect(body):
    request = decode_detector_request(body)
    height, width = request.image.shape[:2]
    _, labels, stats, centres = cv2.connectedComponentsWithStats(saturated(request.image))
    finds = []
    for index, (x, y, w, h, area) in enumerate(stats.tolist()):
        if index and area > 3:
            mean = request.image[labels == index].mean(axis=0)
            label = min(COLOURS, key=lambda name: np.abs(mean - COLOURS[name]).sum())
            finds.append(Find(Box(x, y, x + w, y + h), label, 0.5 + 0.5 * area / (width * height)))
    return encode_detector_reply(DetectorReply(request.release, width, height, tuple(finds)))

def segment(body):
    (request,), _ = decode_segmenter_requests(body)
    return encode_segmenter_reply(SegmenterReply(saturated(request.image).astype(bool), request.echo))

def model_fn(folder): return {model}
def input_fn(body, content_type): return body
def predict_fn(body, model): return model(body)
def output_fn(reply, accept): return reply, accept
"""
URLS = {f"{prefix}{role}_URL": f"s3://loop/{prefix}{role}".lower() for prefix in ("", "LIVE_")
        for role in ("DETECTOR", "SEGMENTER")}  # fmt: skip


def write_archive(file: Path, members: Mapping[str, str | bytes]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as tar:
        for name, content in members.items():
            body = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))


def put_model(folders: ProcessingFolders, name: str, model: str, **about: Any) -> None:
    """The input `name`: an archive whose model is this expression, a function from request to reply."""
    described = {"role": name.removeprefix("live-"), "labels": list(COLOURS), "version": "v", **about}
    members = {
        "model.json": json.dumps(described),
        "code/inference.py": HANDLER.replace("{model}", model).replace("{colours}", repr(COLOURS)),
    }
    write_archive(folders.input(name) / "model.tar.gz", members)


def put_unchanged(folders: ProcessingFolders, name: str) -> None:
    write_archive(folders.input(name) / "model.tar.gz", {"unchanged.json": json.dumps({"unchanged": True})})


def put_live_chain(folders: ProcessingFolders) -> None:
    put_model(folders, "live-detector", "detect")
    put_model(folders, "live-segmenter", "segment")
    folders.input("live-manifest").mkdir(parents=True)
    (folders.input("live-manifest") / "manifest.json").write_text(json.dumps(manifest(score_threshold=0.1).to_dict()))


def put_test_photos(
    folders: ProcessingFolders, *photos: Sequence[Painted], group: str | None = None, labels: Sequence[str] = ()
) -> None:
    """Of 400 x 300 pixels and 0.5 mm each; all of one group, if it is given. `labels`: of the whole snapshot."""
    folder = folders.input("test")
    folder.mkdir(parents=True)
    labelled = []
    for number, things in enumerate(photos, 1):
        save(paint(400, 300, things), folder / f"{number:04d}.png")
        objects = tuple(
            LabelledObject(thing.label, thing.box, trimmed(PlacedMask(thing.mask(400, 300), (0, 0))))
            for thing in things
        )
        file, source = folder / f"{number:04d}.png", f"s3://loop/images/{number}.png"
        labelled.append(LabelledPhoto(file, source, group, 400, 300, 0.5, objects))
    write_photos(folder, labelled, labels)
