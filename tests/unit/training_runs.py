"""Fetching and preprocessing, one after the other, as a run's first two steps."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from loc360.wire import Image
from tests.unit.training_snapshots import BUCKET, SNAPSHOT
from training.data.likeness import Look, thumbnail_of
from training.fetch import Asked, fetch
from training.job import ProcessingFolders
from training.preprocess import preprocess

CACHE = f"s3://{BUCKET}/cache/"


def average_look(image: Image) -> Look:
    """With the simplest perceptual hash: which pixels of 8 x 8 are lighter than their mean."""
    thumbnail = thumbnail_of(image)
    small = cv2.resize(thumbnail, (8, 8), interpolation=cv2.INTER_AREA)
    return Look(int("".join(str(int(light)) for light in (small > small.mean()).ravel()), 2), thumbnail)


def run_fetch(s3: Any, base: Path, **asked: Any) -> dict[str, Any]:
    """The report."""
    folders = ProcessingFolders(base / "fetch")
    shutil.rmtree(folders.base, ignore_errors=True)
    fetch(s3, Asked(**{"snapshot_url": SNAPSHOT, "cache_url": CACHE} | asked), folders, average_look)
    return report(folders, "fetch.json")


def plan_of(base: Path) -> list[list[dict[str, Any]]]:
    """The lines of each part."""
    parts = sorted(ProcessingFolders(base / "fetch").output("plan").iterdir())
    return [[json.loads(line) for line in part.read_text().splitlines()] for part in parts]


def run_preprocess(
    s3: Any, base: Path, *, host: str = "algo-1", parts: Sequence[int] | None = None, side_px: int = 1600
) -> ProcessingFolders:
    """On what `run_fetch` wrote there, or on these parts of it. The folders of that instance."""
    folders, plan = ProcessingFolders(base / host), ProcessingFolders(base / "fetch").output("plan")
    shutil.rmtree(folders.base, ignore_errors=True)
    folders.input("plan").mkdir(parents=True)
    for index, part in enumerate(sorted(plan.iterdir())):
        if parts is None or index in parts:
            shutil.copy(part, folders.input("plan"))
    shutil.copytree(ProcessingFolders(base / "fetch").output("labels"), folders.input("labels"))
    (folders.base / "config").mkdir()
    (folders.base / "config" / "resourceconfig.json").write_text(json.dumps({"current_host": host, "hosts": [host]}))
    preprocess(s3, folders, side_px=side_px)
    return folders


def report(folders: ProcessingFolders, name: str) -> dict[str, Any]:
    return dict(json.loads((folders.output("report") / name).read_text()))
