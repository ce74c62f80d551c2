"""The evaluation job on painted photos, with models that find what is painted, or spoil it."""

import json
from pathlib import Path
from typing import Any

import pytest

from loc360.wire import Box
from tests.unit.fake_models import COLOURS, Painted, manifest
from tests.unit.training_archives import (
    URLS,
    put_live_chain,
    put_model,
    put_test_photos,
    put_unchanged,
    write_archive,
)
from training.archives.unpacking import unpacked
from training.errors import ArchiveInvalid, JobFailed
from training.evaluate import evaluate
from training.evaluation.chain_files import candidate_manifest
from training.job import ProcessingFolders, failure_reason, run_to_exit

PHOTOS = (
    [Painted("carrot", Box(20, 30, 140, 90)), Painted("tomato", Box(200, 100, 290, 190), ellipse=True)],
    [Painted("cucumber", Box(50, 60, 260, 120))],
    [Painted("tomato", Box(10, 10, 90, 90), ellipse=True), Painted("carrot", Box(120, 200, 300, 250))],
)

VALUES = URLS | {"REPORT_PHOTOS": "0"}


@pytest.fixture
def folders(tmp_path: Path) -> ProcessingFolders:
    """With test photos and a live chain that finds everything."""
    prepared = ProcessingFolders(tmp_path)
    put_test_photos(prepared, *PHOTOS)
    put_live_chain(prepared)
    return prepared


def evaluated(folders: ProcessingFolders) -> dict[str, Any]:
    evaluate(folders, VALUES)
    return dict(json.loads((folders.output("evaluation") / "evaluation.json").read_text()))


def test_a_candidate_like_the_live_chain_gains_nothing(folders: ProcessingFolders) -> None:
    put_model(folders, "detector", "detect")
    put_model(folders, "segmenter", "segment")
    report = evaluated(folders)
    assert report["gain"] == {"mean": 0, "low": 0, "high": 0}
    assert report["quality"] == {"candidate": 1, "live": 1}
    assert (report["test_photos"], report["test_regions"], report["test_masks"]) == (3, 5, 5)
    assert report["candidate"]["length_median_error_mm"] < 1
    assert report["candidate"]["mean_iou"] > 0.95
    assert (report["detector_url"], report["segmenter_url"]) == ("s3://loop/detector", "s3://loop/segmenter")


def test_what_training_left_unchanged_is_the_live_model(folders: ProcessingFolders) -> None:
    put_model(folders, "detector", "detect")
    put_unchanged(folders, "segmenter")
    report = evaluated(folders)
    assert (folders.output("evaluation") / "photos.json").is_file()
    assert report["quality"]["candidate"] == 1
    assert (report["detector_url"], report["segmenter_url"]) == ("s3://loop/detector", "s3://loop/live_segmenter")


def test_each_archive_is_served_by_its_own_code(folders: ProcessingFolders) -> None:
    write_archive(
        folders.input("detector") / "model.tar.gz",
        {
            "model.json": json.dumps({"role": "detector", "labels": list(COLOURS)}),
            "code/inference.py": "from loc360.here import *",
            "code/loc360/__init__.py": "",
            "code/loc360/here.py": """
import json
model_fn = print
input_fn = lambda body, content_type: body
output_fn = lambda reply, accept: (reply, accept)
def predict_fn(body, model):
    return json.dumps({"release": json.loads(body)["release"], "width_px": 400, "height_px": 300, "finds": []})
""",
        },
    )
    put_unchanged(folders, "segmenter")
    report = evaluated(folders)
    assert (report["candidate"]["found"], report["live"]["found"]) == (0, 5)


def test_a_label_that_annotators_use_must_not_get_lost(tmp_path: Path) -> None:
    folders = ProcessingFolders(tmp_path)
    put_test_photos(folders, *PHOTOS[:1], labels=["Cucumber"])
    put_live_chain(folders)
    put_model(folders, "detector", "detect", labels=["CARROT", "leek"])
    put_unchanged(folders, "segmenter")
    assert evaluated(folders)["labels_lost"] == ["cucumber", "tomato"]


def test_demands_come_from_the_environment(folders: ProcessingFolders) -> None:
    put_model(folders, "detector", "detect")
    put_unchanged(folders, "segmenter")
    assert evaluated(folders)["verdict"] == "doubtful"
    evaluate(folders, VALUES | {"MINIMUM_TEST_PHOTOS": "3", "MINIMUM_GAIN": "0.1"})
    report = json.loads((folders.output("evaluation") / "evaluation.json").read_text())
    assert report["verdict"] == "not better"
    assert "by more than 0.1" in report["reasons"][0]
    with pytest.raises(JobFailed, match="MINIMUM_GAIN is no number"):
        evaluate(folders, VALUES | {"MINIMUM_GAIN": "much"})


def test_a_live_chain_that_can_not_be_loaded_gives_way(folders: ProcessingFolders) -> None:
    put_model(folders, "live-detector", "no_such_name")
    put_model(folders, "detector", "detect")
    put_unchanged(folders, "segmenter")
    report = evaluated(folders)
    assert (report["quality"], report["live"]["failed_photos"]) == ({"candidate": 1, "live": 0}, 3)


def test_a_model_that_ends_fails_the_job(folders: ProcessingFolders) -> None:
    put_model(folders, "detector", "lambda body: __import__('os')._exit(7)")
    put_unchanged(folders, "segmenter")
    with pytest.raises(JobFailed, match="The candidate detector's process ended with status 7"):
        evaluate(folders, VALUES)


def test_a_model_that_can_not_be_loaded_fails_the_job(folders: ProcessingFolders) -> None:
    put_model(folders, "detector", "no_such_name")
    put_unchanged(folders, "segmenter")
    with pytest.raises(JobFailed, match="The candidate detector's process ended with status 1"):
        evaluate(folders, VALUES)


def test_without_test_photos_nothing_can_be_told(tmp_path: Path) -> None:
    folders = ProcessingFolders(tmp_path)
    put_test_photos(folders)
    put_live_chain(folders)
    put_model(folders, "detector", "detect")
    put_unchanged(folders, "segmenter")
    report = evaluated(folders)
    assert report["test_photos"] == 0
    assert report["gain"] == {"mean": 0, "low": -1, "high": 1}
    assert report["quality"] == {"candidate": 0, "live": 0}


def test_the_candidates_manifest_is_written_without_a_release(tmp_path: Path) -> None:
    folders = ProcessingFolders(tmp_path)
    put_test_photos(folders)
    put_live_chain(folders)
    put_model(folders, "detector", "detect", side_limit_px=512, labels=["carrot", "leek"], score_threshold=0.3)
    put_model(folders, "segmenter", "segment", side_limit_px=256)
    evaluate(folders, VALUES)
    written = json.loads((folders.output("evaluation") / "manifest.json").read_text())
    changes = {"detector_side_px": 512, "crop_side_px": 256, "labels": ["carrot", "leek"], "score_threshold": 0.3}
    assert written == manifest("").to_dict() | changes


def test_an_unchanged_detector_keeps_the_live_labels_and_threshold() -> None:
    live = manifest("live", score_threshold=0.2)
    candidate = candidate_manifest(live, {"segmenter": {"labels": ["leek"], "side_limit_px": 256}})
    assert (candidate.labels, candidate.score_threshold, candidate.crop_side_px) == (live.labels, 0.2, 256)


@pytest.mark.parametrize(
    "about", [{}, {"labels": []}, {"labels": "abc"}, {"labels": ["a"], "side_limit_px": 0}, {"labels": [1]}]
)
def test_a_model_json_of_another_form_is_refused(about: dict[str, Any]) -> None:
    with pytest.raises(ArchiveInvalid, match=r"model.json lacks or garbles a field"):
        candidate_manifest(manifest(), {"detector": about})


def test_what_only_explains_the_verdict_may_fail_and_is_named(folders: ProcessingFolders) -> None:
    put_model(folders, "detector", "detect")
    put_unchanged(folders, "segmenter")
    folders.input("fetch-report").mkdir()
    (folders.input("fetch-report") / "fetch.json").write_text("no json")
    report = evaluated(folders)
    assert report["quality"]["candidate"] == 1
    assert report["missing"]["data"].startswith("A report of the photos' preparation can't be read")
    assert report["seconds"]["chains"] > 0


def test_the_chains_are_tried_on_spoilt_photos(folders: ProcessingFolders) -> None:
    put_model(folders, "detector", "detect")
    put_unchanged(folders, "segmenter")
    evaluate(folders, URLS | {"REPORT_PHOTOS": "1"})
    report = json.loads((folders.output("evaluation") / "evaluation.json").read_text())
    assert (report["robustness"]["photos"], report["robustness"]["wanted"]) == (1, 1)
    assert report["robustness"]["candidate"]["JPEG"][0]["unspoilt"]["mean_iou"] > 0.95


def test_a_live_chain_that_can_not_be_loaded_is_not_spoilt(folders: ProcessingFolders) -> None:
    put_model(folders, "live-detector", "no_such_name")
    put_model(folders, "detector", "detect")
    put_unchanged(folders, "segmenter")
    evaluate(folders, URLS | {"REPORT_PHOTOS": "1"})
    report = json.loads((folders.output("evaluation") / "evaluation.json").read_text())
    assert "live" not in report["robustness"]


def test_missing_urls_are_named(folders: ProcessingFolders) -> None:
    with pytest.raises(JobFailed, match="The environment lacks LIVE_DETECTOR_URL, LIVE_SEGMENTER_URL"):
        evaluate(folders, {})


def test_a_missing_input_is_named(folders: ProcessingFolders) -> None:
    with pytest.raises(JobFailed, match="The input 'detector' must be one file, not 0"):
        evaluate(folders, VALUES)


def test_the_reason_of_a_failure_is_left_where_sagemaker_looks(folders: ProcessingFolders) -> None:
    with pytest.raises(SystemExit) as ended:
        run_to_exit(folders, lambda given: evaluate(given, {}))
    assert ended.value.code == 1
    assert folders.message.read_text() == "The environment lacks LIVE_DETECTOR_URL, LIVE_SEGMENTER_URL."


def test_the_reason_of_an_unknown_failure_begins_with_what_happened() -> None:
    with pytest.raises(KeyError) as caught:
        {}["x"]
    assert failure_reason(caught.value).startswith("KeyError: 'x'\n\nTraceback")


def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "in" / "model.tar.gz", {"../out": "x"})
    with pytest.raises(ArchiveInvalid, match="OutsideDestination"):
        unpacked(tmp_path / "in" / "model.tar.gz", tmp_path / "folder")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.tar.gz").write_bytes(content)
    with pytest.raises(ArchiveInvalid, match="can't be unpacked"):
        unpacked(tmp_path / "model.tar.gz", tmp_path / "folder")


def test_an_archive_without_code_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "model.tar.gz", {"model.json": "{}"})
    with pytest.raises(ArchiveInvalid, match="lacks one of"):
        unpacked(tmp_path / "model.tar.gz", tmp_path / "folder")
