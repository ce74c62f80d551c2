"""The figures of the comparison of detectors, in the training environment."""

import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.detector.finds import Find, Outcome, write_outcome
from loc360.wire import Box
from phenoloop.local_aws.environments import REPOSITORY
from training.data.dataset import LabelledObject, LabelledPhoto, write_photos

pytestmark = pytest.mark.integration

BOX, ELSEWHERE = Box(10, 10, 50, 50), Box(60, 10, 90, 50)


@pytest.fixture(scope="module")
def figures(training_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Of two folds of four photos with a red box each: `right` finds them all, `wrong` says green, `half` finds the
    first fold's only."""
    base = tmp_path_factory.mktemp("campaign")
    finds = {
        "right": [Find("red", BOX, 0.9), Find("red", ELSEWHERE, 0.1)],
        "wrong": [Find("green", BOX, 0.9)],
        "half": [Find("red", BOX, 0.9)],
    }
    asked = {}
    for fold in ("0", "1"):
        photos = [photo(base / fold, f"{fold}-{index}") for index in range(4)]
        write_photos(base / fold, photos, ("green", "red"))
        for model, found in finds.items():
            seen = [] if (model, fold) == ("half", "1") else found
            write_outcome(base / f"{model}-{fold}.json", Outcome({item.source: seen for item in photos}, 0.1))
        files = {model: str(base / f"{model}-{fold}.json") for model in finds}
        asked[fold] = {"test": str(base / fold), "tested": files}
    command = [str(training_python), "-m", "benchmarks.detector.figures"]
    said = subprocess.run(command, cwd=REPOSITORY, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def photo(folder: Path, name: str) -> LabelledPhoto:
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), np.zeros((60, 100, 3), np.uint8))
    things = (LabelledObject("red", BOX, None),)
    return LabelledPhoto(folder / f"{name}.png", f"{name}.png", name, 100, 60, None, things)


def test_who_finds_everything_has_full_precision(figures: Any) -> None:
    right = figures["all"]["models"]["right"]
    assert (right["ap50"], right["ap"], right["ap50_any_label"]) == (1.0, 1.0, 1.0)


def test_a_wrong_label_costs_only_where_labels_count(figures: Any) -> None:
    wrong = figures["all"]["models"]["wrong"]
    assert (wrong["ap50"], wrong["ap50_any_label"]) == (0.0, 1.0)


def test_all_folds_together_are_every_photo_once(figures: Any) -> None:
    assert [figures[part]["photos"] for part in ("0", "1", "all")] == [4, 4, 8]
    assert [figures[part]["models"]["half"]["ap50"] for part in ("0", "1")] == [1.0, 0.0]
    assert figures["all"]["models"]["half"]["ap50"] == pytest.approx(51 / 101)  # recalls 0, 0.01, ..., 0.5


def test_the_gain_of_the_first_is_told_with_its_interval(figures: Any) -> None:
    gain = figures["all"]["gains"]["half"]["ap50"]
    assert gain["mean"] == pytest.approx(50 / 101)
    assert 0 < gain["low"] < gain["mean"] < gain["high"] <= 1
