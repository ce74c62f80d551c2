"""Chains on painted photos, and what the report says of them."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loc360.wire import Box, SegmenterReply, decode_segmenter_requests, encode_segmenter_reply
from tests.unit.fake_models import Painted, detect, manifest, segment
from tests.unit.training_archives import put_test_photos
from training.data.dataset import read_photos
from training.errors import CallRefused, JobFailed
from training.evaluation.chain_run import Chain, run_chain
from training.evaluation.summary import by_photo, evaluation
from training.evaluation.verdict import Demands
from training.job import ProcessingFolders

PHOTOS = (
    [Painted("carrot", Box(20, 30, 140, 90)), Painted("tomato", Box(200, 100, 290, 190), ellipse=True)],
    [Painted("cucumber", Box(50, 60, 260, 120))],
    [Painted("tomato", Box(10, 10, 90, 90), ellipse=True), Painted("carrot", Box(120, 200, 300, 250))],
)
ANY = Demands()
Model = Callable[[str], str]


@dataclass(frozen=True)
class InProcess:
    invoke: Model


def report(
    tmp_path: Path,
    detector: Model = detect,
    segmenter: Model = segment,
    photos: Sequence[Sequence[Painted]] = PHOTOS,
    *,
    live_detector: Model = detect,
    group: str | None = None,
    demands: Demands = ANY,
) -> dict[str, Any]:
    """Of a candidate with these models against a live chain that finds everything; as it would be read again.

    With what `by_photo` says as "photos".
    """
    folders = ProcessingFolders(tmp_path)
    put_test_photos(folders, *photos, group=group)
    labelled = read_photos(folders.input("test"))
    candidate = Chain("candidate", manifest(), InProcess(detector), InProcess(segmenter))
    live = Chain("live", manifest(), InProcess(live_detector), InProcess(segment))
    runs = run_chain(candidate, labelled), run_chain(live, labelled, may_fail=True)
    urls = {"detector": "s3://a", "segmenter": "s3://b"}
    said = evaluation(labelled, *runs, urls=urls, demands=demands) | {"photos": by_photo(labelled, *runs)}
    return dict(json.loads(json.dumps(said)))


def wrong_labels(body: str) -> str:
    return detect(body).replace('"carrot"', '"tomato"')


def draws_nothing(body: str) -> str:
    (request,), _ = decode_segmenter_requests(body)
    return encode_segmenter_reply(SegmenterReply(np.zeros(request.image.shape[:2], np.bool_), request.echo))


def no_cucumbers(body: str) -> str:
    if "cucumber" in (reply := detect(body)):
        raise CallRefused("No cucumbers, please.")
    return reply


def test_a_chain_that_finds_everything_scores_one(tmp_path: Path) -> None:
    candidate = report(tmp_path)["candidate"]
    assert candidate["quality"] == candidate["box_ap50"] == candidate["mask_ap50"] == 1
    assert candidate["mean_iou"] > 0.95
    assert candidate["length_median_error_mm"] < 1
    assert (candidate["objects"], candidate["missed"], candidate["extra"], candidate["wrong_label"]) == (5, 0, 0, 0)


def test_a_worse_candidate_loses(tmp_path: Path) -> None:
    said = report(tmp_path, wrong_labels)
    assert said["gain"]["mean"] == pytest.approx(said["quality"]["candidate"] - 1, abs=1e-4)
    assert said["gain"]["low"] < said["gain"]["mean"] < 0
    assert said["candidate"]["box_ap50_by_label"]["carrot"] == 0
    assert said["candidate"]["box_ap50_any_label"] == 1
    assert [photo["candidate"]["wrong_label"] for photo in said["photos"]] == [1, 0, 1]


def test_a_photo_on_which_a_chain_fails_counts_as_nothing_found_and_is_named(tmp_path: Path) -> None:
    said = report(tmp_path, no_cucumbers)
    assert said["candidate"]["failed_photos"] == 1
    assert said["photos"][1]["candidate"]["failure"] == "No cucumbers, please."
    assert said["photos"][1]["candidate"]["missed"] == 1
    assert said["quality"]["candidate"] == pytest.approx(81 / 101, abs=1e-4)
    assert "failure" not in said["photos"][1]["live"]


def test_a_chain_that_fails_on_every_photo_ends_the_job(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"The candidate chain fails on every test photo\. .*release"):
        report(tmp_path, lambda body: "{}")


def test_a_live_chain_that_fails_on_every_photo_gives_way(tmp_path: Path) -> None:
    said = report(tmp_path, live_detector=lambda body: "{}", demands=Demands(test_photos=3))
    assert said["quality"] == {"candidate": 1, "live": 0}
    assert (said["verdict"], said["live"]["failed_photos"]) == ("better", 3)
    assert said["reasons"][-1].startswith("The live chain fails on every test photo. ")


def test_photos_of_one_plant_are_one_witness(tmp_path: Path) -> None:
    said = report(tmp_path, live_detector=wrong_labels, group="plant-3", demands=Demands(test_photos=1))
    assert (said["test_photos"], said["test_groups"], said["verdict"]) == (3, 1, "doubtful")
    assert (said["gain"]["low"], said["gain"]["high"]) == (-1, 1)


def test_photos_with_nothing_on_them_can_not_tell(tmp_path: Path) -> None:
    said = report(tmp_path, photos=[[], []])
    assert (said["test_photos"], said["test_regions"], said["gain"]["low"]) == (2, 0, -1)
    assert said["quality"] == {"candidate": 0, "live": 0}


def test_a_wrong_label_is_the_detectors_fault_photo_by_photo(tmp_path: Path) -> None:
    said = report(tmp_path, wrong_labels)
    assert said["blame"]["candidate"]["detector"] == {"wrong_label": 2}
    assert said["blame"]["candidate"]["shares"] == {"detector": 1, "segmenter": 0}
    assert [photo["candidate"]["blame"]["detector"] for photo in said["photos"]] == [
        {"wrong_label": 1},
        {},
        {"wrong_label": 1},
    ]


def test_an_empty_mask_is_the_segmenters_fault_and_not_a_missed_object(tmp_path: Path) -> None:
    said = report(tmp_path, segmenter=draws_nothing)
    assert said["candidate"]["missed"] == 5
    assert said["blame"]["candidate"] == {
        "detector": {},
        "segmenter": {"bad_mask": 5},
        "shares": {"detector": 0, "segmenter": 1},
    }


def test_advice_is_for_the_chain_that_stays(tmp_path: Path) -> None:
    said = report(tmp_path, live_detector=wrong_labels)
    assert (said["verdict"], said["blame"]["of"], said["blame"]["retrain"]) == ("doubtful", "live", "both")


def test_labels_have_figures_and_a_matrix_of_their_own(tmp_path: Path) -> None:
    candidate = report(tmp_path, wrong_labels)["candidate"]
    assert candidate["by_label"]["tomato"] == {
        "objects": 2, "found": 4, "precision": 0.5, "recall": 1, "f1": 0.6667,
        "count_bias_objects": 0.6667, "count_mean_error_objects": 0.6667,
    }  # fmt: skip
    assert candidate["confusion"]["labels"] == ["carrot", "cucumber", "tomato"]
    assert candidate["confusion"]["counts"][0] == [0, 0, 2, 0]
    assert (candidate["precision"], candidate["recall"], candidate["f1"]) == (0.6, 0.6, 0.6)


def test_areas_are_measured_too(tmp_path: Path) -> None:
    assert report(tmp_path)["candidate"]["area_median_error_share"] < 0.05


@pytest.mark.parametrize("photos", [PHOTOS, [[]], []])
def test_every_number_is_finite_and_none_is_missing(tmp_path: Path, photos: Sequence[Sequence[Painted]]) -> None:
    assert all(math.isfinite(number) for number in numbers(report(tmp_path, wrong_labels, photos=photos)))


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [number for item in (value.values() if isinstance(value, dict) else value) for number in numbers(item)]
    assert value is not None
    return [value] if isinstance(value, int | float) else []
