"""What a search found is written into the training's defaults, and nothing else is touched."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from phenoloop.cli.search_progress import note
from phenoloop.errors import SettingsInvalid
from sync.pipeline.parameters import TRAINING_FILE, parameters
from sync.tuning.defaults_file import kept, rewrite, rewritten
from sync.tuning.searches import SearchJob
from tests.unit.tuning_things import run_training

FOUND = {"encoder": "resnet18", "learning_rate": 0.00123456, "batch_size": "16", "augmentation": "field"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    there = tmp_path / "training.yaml"
    there.write_text(TRAINING_FILE.read_text().replace("epochs: 60", "epochs: 60 # passes", 1))
    return there


def test_the_stages_values_change_and_everything_else_stays(file: Path) -> None:
    before = file.read_text().splitlines()
    rewrite("segmenter", kept(FOUND), "found by a search", file)
    after = file.read_text().splitlines()
    changed = [line for old, line in zip(before, after, strict=True) if old != line]
    assert changed == ["segmenter: # found by a search", "  encoder: resnet18", "  learning_rate: 0.00123",
                       "  batch_size: 16", "  augmentation: field"]  # fmt: skip
    assert parameters(file)["SegmenterLearningRate"].default == 0.00123


def test_a_later_search_replaces_the_note_of_the_one_before(file: Path) -> None:
    rewrite("detector", {}, "an older one", file)
    rewrite("detector", {"optimizer": "sgd"}, "a newer one", file)
    text = file.read_text()
    assert "older" not in text
    assert "detector: # a newer one\n" in text
    assert yaml.safe_load(text)["detector"]["optimizer"] == "sgd"


@pytest.mark.parametrize("value", ["-1", "many", "0"])
def test_values_that_make_no_sense_are_not_written(file: Path, value: str) -> None:
    before = file.read_text()
    with pytest.raises(SettingsInvalid, match=r"training\.yaml"):
        rewrite("detector", {"batch_size": value}, "", file)
    assert file.read_text() == before


def test_very_small_numbers_stay_numbers() -> None:
    text = rewritten("detector:\n  weight_decay: 0.01\n", "detector", kept({"weight_decay": 1.23456e-6}), "")
    assert float(yaml.safe_load(text)["detector"]["weight_decay"]) == 1.23e-6


def trial(number: int, validation: float) -> dict[str, Any]:
    return {"number": number, "validation": validation}


def test_the_note_says_which_search_on_which_data_and_how_good_it_is_here_and_there() -> None:
    report = {"trials": [trial(0, 0.8), trial(7, 0.85)], "current": 0, "best": 7,
              "test": {"best": 0.81, "current": 0.79, "photos": 9, "measure": "..."}}  # fmt: skip
    told = note(SearchJob("j", "detector-1", "Completed", "", {}), report, run_training())
    assert "search detector-1 on snapshot 555555555555, 20" in told
    assert told.endswith("validation 0.85 (0.8 before), test 0.81 (0.79 before)")
