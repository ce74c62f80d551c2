import json
from pathlib import Path
from typing import Any

import pytest

import loc360
from loc360.errors import Loc360Error, MetadataInvalid, PhotoUnreadable, ReplyInvalid, UnknownModel
from loc360.wire import (
    Box,
    Find,
    encode_error,
)
from tests.unit.fake_models import DETECTOR_MODEL, SEGMENTER_MODEL, manifest
from tests.unit.loc360_calls import detector_reply, metadata, segmenter_reply


def test_a_model_of_neither_stage_is_unknown(photo: str) -> None:
    with pytest.raises(UnknownModel, match=r"'detector-of-another-project'.*phenoloop-detector"):
        loc360.sagemaker_preprocess(photo, metadata("detector-of-another-project"))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"properties": None},
        {"properties": {}},
        {"properties": {"dl_model_name": DETECTOR_MODEL}},  # no manifest is published with the sources
        metadata(DETECTOR_MODEL, mm_per_px="wide"),
        metadata(DETECTOR_MODEL, mm_per_px=0),
        metadata(DETECTOR_MODEL, mm_per_px=float("nan")),
        metadata(DETECTOR_MODEL, manifest={"release": "r"}),
        metadata(DETECTOR_MODEL, manifest={**manifest().to_dict(), "colour": "red"}),
    ],
)
def test_metadata_that_lacks_or_garbles_something_is_refused(photo: str, asked: dict[str, Any]) -> None:
    for function in (loc360.sagemaker_preprocess, loc360.process):
        with pytest.raises(MetadataInvalid):
            function(photo, asked)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "Internal Server Error",
        "[]",
        "{}",
        "null",
        encode_error("out-of-memory", "CUDA is out of memory"),
        detector_reply(release="release-0"),
        detector_reply(size=(0, 300)),
        detector_reply(Find(Box(0, 0, 9, 9), "carrot", float("nan"))),
        detector_reply(Find(Box(0, 0, float("inf"), 9), "carrot", 0.5)),
        '{"release": "release-1", "width_px": 9, "height_px": 1e999, "finds": []}',
        '{"release": "release-1", "width_px": 9, "height_px": 9, "finds": ["carrot"]}',
    ],
)
def test_a_detector_reply_that_is_none_ends_the_flow(photo: str, raw: str | None) -> None:
    with pytest.raises(ReplyInvalid):
        loc360.sagemaker_preprocess(photo, metadata(SEGMENTER_MODEL, raw))


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "Service Unavailable",
        json.dumps([segmenter_reply(0, 2)]),
        json.dumps([segmenter_reply(0, 2), segmenter_reply(0, 2)]),
        json.dumps([segmenter_reply(0, 2), segmenter_reply(2, 2)]),
        json.dumps([segmenter_reply(0, 2), segmenter_reply(1, 2), segmenter_reply(1, 2)]),
        json.dumps([segmenter_reply(0, 2), segmenter_reply(1, 3)]),
        json.dumps([segmenter_reply(0, 2), segmenter_reply(1, 2, release="release-0")]),
        json.dumps([segmenter_reply(0, 2, release="release-0"), segmenter_reply(1, 2, release="release-0")]),
        json.dumps([segmenter_reply(0, 2), encode_error("bad-request", "no image")]),
        json.dumps([segmenter_reply(0, 2), "model error"]),
        segmenter_reply(0, 2),
        segmenter_reply(crop=Box(350, 100, 450, 150)),
        segmenter_reply(crop=Box(100, 100, 100, 150)),
    ],
)
def test_replies_missing_doubled_foreign_or_broken_are_refused(photo: str, raw: str | None) -> None:
    with pytest.raises(ReplyInvalid):
        loc360.process(photo, metadata(SEGMENTER_MODEL, raw))


def test_an_unreadable_photo_is_refused_at_every_call(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.jpg")
    find = Find(Box(0, 0, 9, 9), "carrot", 0.9)

    with pytest.raises(PhotoUnreadable):
        loc360.sagemaker_preprocess(missing, metadata(DETECTOR_MODEL))
    with pytest.raises(PhotoUnreadable):
        loc360.sagemaker_preprocess(missing, metadata(SEGMENTER_MODEL, detector_reply(find)))
    with pytest.raises(PhotoUnreadable):
        loc360.process(missing, metadata(SEGMENTER_MODEL, "[]"))


def test_every_error_of_the_module_is_of_one_family() -> None:
    assert all(issubclass(kind, Loc360Error) for kind in (MetadataInvalid, PhotoUnreadable, ReplyInvalid, UnknownModel))


@pytest.mark.parametrize(
    "crop",
    [Box(100, 100, 100.001, 150), Box(100.5, 100, 200, 150), Box(100, 100, 150, 125), Box(350, 100, 450, 150)],
    ids=["a sliver", "half pixels", "smaller than the mask", "beyond the photo"],
)
def test_a_mask_of_no_part_of_the_photo_that_was_sent_is_refused(photo: str, crop: Box) -> None:
    with pytest.raises(ReplyInvalid):
        loc360.process(photo, metadata(SEGMENTER_MODEL, segmenter_reply(crop=crop)))


@pytest.mark.parametrize(
    "field",
    [
        {"labels": [3]},
        {"detector_side_px": "1024"},
        {"detector_side_px": 50_000},
        {"crop_side_px": 0},
        {"max_objects": 1.5},
        {"crop_margin": float("nan")},
        {"score_threshold": None},
        {"release": ["r"]},
    ],
)
def test_a_manifest_out_of_range_is_refused(photo: str, field: dict[str, Any]) -> None:
    for function in (loc360.sagemaker_preprocess, loc360.process):
        with pytest.raises(MetadataInvalid):
            function(photo, metadata(DETECTOR_MODEL, manifest={**manifest().to_dict(), **field}))


@pytest.mark.parametrize("given", [[], "manifest", 10**400])
def test_a_manifest_or_scale_of_another_kind_is_refused(photo: str, given: Any) -> None:
    for asked in (metadata(DETECTOR_MODEL, manifest=given), metadata(DETECTOR_MODEL, mm_per_px=given)):
        with pytest.raises(MetadataInvalid):
            loc360.sagemaker_preprocess(photo, asked)
