"""A trial of a search: what it is told and shown, what it says, and how its model is tested."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from loc360.wire import Box
from tests.unit.fake_models import Painted, detect, manifest, paint, save, segment
from training.data.dataset import LabelledObject, LabelledPhoto
from training.masks import PlacedMask, trimmed
from training.places import Places
from training.search.folders import SearchFolders
from training.search.tested import detector_quality, segmenter_quality
from training.search.trial import Shares, TrialFailed, UnderWay, end, ended, prepare, rounds


def saying(*lines: str, status: int = 0) -> "subprocess.Popen[str]":
    program = f"import sys; print({chr(10).join(lines)!r}); sys.exit({status})"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_rounds_that_were_measured_are_heard_whatever_else_is_said() -> None:
    said = ['{"step": 1, "validation": null}', "a warning", "[1]", '{"step": 2, "loss": 1, "validation": 0.5}', "7"]
    with saying(*said) as process:
        assert list(rounds(process)) == [(2, 0.5)]


def test_a_training_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output/failure").write_text("no such encoder")
    with saying(status=1) as process, pytest.raises(TrialFailed, match="no such encoder"):
        ended(process, Places(tmp_path))


def test_the_quality_of_a_trial_is_that_of_the_model_it_made(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.json").write_text('{"validation": {"quality": 0.625}}')
    with saying("whatever") as process:
        assert ended(process, Places(tmp_path)) == 0.625


def test_a_training_that_is_killed_is_a_failure_too(tmp_path: Path) -> None:
    with saying(status=9) as process, pytest.raises(TrialFailed, match="ended with 9"):
        ended(process, Places(tmp_path))


def test_a_trial_finds_its_own_hyperparameters_and_the_searches_channels(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.resources.parent.mkdir(parents=True)
    places.resources.write_text("{}")
    for channel in ("train", "validation", "test"):
        places.channel(channel).mkdir(parents=True)
        (places.channel(channel) / "photos.jsonl").write_text(channel)
    base = prepare(SearchFolders(places), 7, {"stage": "detector"}).base
    assert json.loads((base / "input/config/hyperparameters.json").read_text()) == {"stage": "detector"}
    assert (base / "input/config/resourceconfig.json").read_text() == "{}"
    assert {path.name for path in (base / "input/data").iterdir()} == {"train", "validation"}
    assert (base / "input/data/train/photos.jsonl").read_text() == "train"
    (base / "output/tensorboard/events").write_text("curves")
    assert (tmp_path / "output/tensorboard/trial-007/events").read_text() == "curves"


def share_of(shares: Shares) -> Mapping[str, str]:
    with shares.one() as share:
        return share


def test_threads_are_dealt_out_and_gpus_where_there_are_some() -> None:
    assert share_of(Shares(1, threads=8, gpus=4)) == {"OMP_NUM_THREADS": "8"}
    assert share_of(Shares(4, threads=2, gpus=0)) == {"OMP_NUM_THREADS": "1"}
    shares = Shares(2, threads=8, gpus=2)
    with shares.one() as first, shares.one() as second:
        assert {first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]} == {"0", "1"}
        assert first["OMP_NUM_THREADS"] == "4"


def test_trials_under_way_end_when_the_search_is_told_to() -> None:
    under_way = UnderWay()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], text=True)
    begun_s = time.monotonic()
    with under_way.holding(process):
        under_way.stop()
        process.wait(timeout=30)
    assert time.monotonic() - begun_s < 30
    end(process)  # of no harm to one that has ended


THINGS = (Painted("tomato", Box(40, 40, 120, 100)), Painted("carrot", Box(200, 150, 330, 220)))


def photo(folder: Path, things: tuple[Painted, ...] = THINGS) -> LabelledPhoto:
    file = folder / "photo.png"
    save(paint(400, 300, things), file)
    objects = tuple(
        LabelledObject(thing.label, thing.box, trimmed(PlacedMask(thing.mask(400, 300), (0, 0)))) for thing in things
    )
    return LabelledPhoto(file, "s3://loop/images/1.png", None, 400, 300, 0.5, objects)


def test_a_detector_that_is_right_everywhere_has_quality_1(tmp_path: Path) -> None:
    assert detector_quality(detect, manifest(), [photo(tmp_path)]) == 1
    assert detector_quality(detect, manifest(detector_side_px=128), [photo(tmp_path)]) == 1


def test_wrong_labels_cost_a_detector_half(tmp_path: Path) -> None:
    def mixed_up(body: str) -> str:
        return detect(body).replace("tomato", "cucumber").replace("carrot", "tomato")

    assert detector_quality(mixed_up, manifest(), [photo(tmp_path)]) == 0.5


def test_a_segmenter_is_asked_for_each_object_and_its_masks_are_held_against_the_true_ones(tmp_path: Path) -> None:
    assert segmenter_quality(segment, manifest(), [photo(tmp_path)]) > 0.97
    assert segmenter_quality(segment, manifest(crop_side_px=64), [photo(tmp_path)]) > 0.9
