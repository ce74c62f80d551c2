import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loc360
from loc360.errors import MetadataInvalid
from loc360.payloads import PAYLOAD_LIMIT_BYTES
from loc360.phenotype import mean_lab
from loc360.wire import (
    Box,
    Find,
    Point,
    SegmenterRequest,
    decode_detector_request,
    decode_segmenter_requests,
    mask_from_base64,
)
from tests.unit.fake_models import COLOURS, DETECTOR_MODEL, SEGMENTER_MODEL, manifest, save
from tests.unit.loc360_calls import detector_reply, metadata, segmenter_reply


def requests(photo: str, *finds: Find, size: tuple[int, int] = (400, 300), **changes: Any) -> list[SegmenterRequest]:
    asked = metadata(SEGMENTER_MODEL, detector_reply(*finds, size=size), manifest=manifest(**changes).to_dict())
    payload = loc360.sagemaker_preprocess(photo, asked)
    assert all(isinstance(item, str) for item in json.loads(payload))
    return decode_segmenter_requests(payload)[0]


def processed(photo: str, replies: str, **more: Any) -> dict[str, Any]:
    result = loc360.process(photo, metadata(SEGMENTER_MODEL, replies, **more))
    return json.loads(json.dumps(result, allow_nan=False))


def test_the_detector_gets_the_photo_scaled_to_the_manifests_side(photo: str) -> None:
    asked = metadata(DETECTOR_MODEL, manifest=manifest(detector_side_px=200).to_dict())

    request = decode_detector_request(loc360.sagemaker_preprocess(photo, asked))

    assert request.release == "release-1"
    assert request.image.shape == (150, 200, 3)


def test_finds_are_mapped_from_the_sent_frame_to_the_photos(photo: str) -> None:
    (request,) = requests(photo, Find(Box(50, 50, 100, 75), "tomato", 0.9), size=(200, 150))

    assert request.echo.box == (100, 100, 200, 150)
    assert request.echo.crop == (75, 75, 225, 175)
    assert request.image.shape == (100, 150, 3)
    assert request.box == (25, 25, 125, 75)


def test_a_large_crop_is_scaled_and_its_box_and_point_with_it(photo: str) -> None:
    find = Find(Box(100, 100, 200, 150), "tomato", 1.0, Point(150, 120))

    (request,) = requests(photo, find, crop_side_px=75)

    assert request.image.shape == (50, 75, 3)
    assert request.box == (12.5, 12.5, 62.5, 37.5)
    assert request.point == (37.5, 22.5)
    assert np.abs(request.image[22, 37].astype(int) - COLOURS["tomato"]).max() < 20


def test_weak_finds_are_dropped_and_the_best_come_first(photo: str) -> None:
    box = Box(10, 10, 50, 50)
    finds = [Find(box, "carrot", 0.3), Find(box, "tomato", 0.9), Find(box, "cucumber", 0.7), Find(box, None, 0.5)]

    chosen = requests(photo, *finds, score_threshold=0.5, max_objects=2)

    assert [(item.echo.index, item.echo.count, item.echo.label) for item in chosen] == [
        (0, 2, "tomato"),
        (1, 2, "cucumber"),
    ]
    assert len(requests(photo, *finds, score_threshold=0.5)) == 3


def test_boxes_are_clipped_to_the_photo_and_those_that_show_nothing_are_left_out(photo: str) -> None:
    boxes = [Box(-50, -50, 30, 30), Box(380, 290, 900, 900), Box(50, 50, 50, 90), Box(500, 0, 600, 50)]

    chosen = requests(photo, *(Find(box, "carrot", 0.9) for box in boxes))

    assert [item.echo.box for item in chosen] == [(0, 0, 30, 30), (380, 290, 400, 300)]
    assert chosen[0].echo.crop == (0, 0, 38, 38)


@pytest.mark.parametrize("finds", [(), (Find(Box(5, 5, 5, 9), "carrot", 1.0),), (Find(Box(0, 0, 9, 9), "x", 0.1),)])
def test_nothing_to_segment_is_an_empty_list(photo: str, finds: tuple[Find, ...]) -> None:
    assert requests(photo, *finds, score_threshold=0.2) == []


def test_a_noisy_photo_is_made_to_fit_one_payload(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), np.uint8)
    path = save(noise, tmp_path / "photo.bmp")
    asked = metadata(DETECTOR_MODEL, manifest=manifest(detector_side_px=4000).to_dict())

    payload = loc360.sagemaker_preprocess(path, asked)

    assert PAYLOAD_LIMIT_BYTES / 2 < len(payload.encode()) < PAYLOAD_LIMIT_BYTES
    assert decode_detector_request(payload).image.shape[1] > 1500


def test_three_hundred_noisy_crops_fit_one_payload_and_give_way_alike(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)
    path = save(noise, tmp_path / "photo.bmp")
    grid = [Box(x * 80, y * 80, x * 80 + 300, y * 80 + 300) for x in range(16) for y in range(12)] * 2
    finds = [Find(box, "carrot", 0.9) for box in [*grid[:290], *[Box(5, 5, 25, 25)] * 10]]

    asked = metadata(SEGMENTER_MODEL, detector_reply(*finds, size=(1600, 1200)))
    payload = loc360.sagemaker_preprocess(path, asked)

    assert PAYLOAD_LIMIT_BYTES / 2 < len(payload.encode()) < PAYLOAD_LIMIT_BYTES
    sent, _ = decode_segmenter_requests(payload)
    assert len(sent) == 300
    assert len({max(item.image.shape) for item in sent[:290]}) == 1
    assert {item.image.shape for item in sent[290:]} == {(30, 30, 3)}  # small ones needn't give way
    for item in sent:
        scale = (item.echo.crop.x1 - item.echo.crop.x0) / item.image.shape[1]
        assert item.echo.crop.x0 + item.box.x0 * scale == pytest.approx(item.echo.box.x0)


def test_more_objects_than_any_payload_holds_are_refused(photo: str) -> None:
    finds = [Find(Box(0, 0, 20, 20), "carrot", 0.9)] * 9000

    with pytest.raises(MetadataInvalid, match="max_objects"):
        requests(photo, *finds, max_objects=9000, crop_side_px=40)


def test_no_objects_give_a_result_that_says_so(photo: str) -> None:
    assert processed(photo, "[]") == {
        "release": "release-1",
        "count": 0,
        "empty_masks": 0,
        "width_px": 400,
        "height_px": 300,
        "mm_per_px": None,
        "objects": [],
    }


def test_a_full_mask_measures_its_crop_in_photo_pixels(photo: str) -> None:
    (found,) = processed(photo, segmenter_reply(mask=np.ones((25, 50), np.bool_)))["objects"]

    assert found["box_px"] == found["mask_box_px"] == [100, 100, 200, 150]
    assert (found["length_px"], found["width_px"], found["area_px"]) == (100, 50, 5000)
    assert (found["aspect_ratio"], found["solidity"]) == (2, 1)
    assert (found["index"], found["label"], found["score"]) == (0, "tomato", 0.9)
    assert found["mean_lab"] == pytest.approx(mean_lab(np.array([COLOURS["tomato"]], np.uint8)))
    assert mask_from_base64(found["mask_png"]).shape == (25, 50)
    assert "length_mm" not in found


def test_masks_come_back_as_one_bit_png_cut_to_the_object(photo: str) -> None:
    mask = np.zeros((50, 100), np.bool_)
    mask[10:30, 20:70] = True
    mask[45, 90] = True  # a speck

    (found,) = processed(photo, segmenter_reply(mask=mask))["objects"]

    png = base64.b64decode(found["mask_png"])
    assert png.startswith(b"\x89PNG")
    assert png[24] == 1  # bit depth
    assert mask_from_base64(found["mask_png"]).all()
    assert found["mask_box_px"] == [120, 110, 170, 130]


def test_with_a_scale_lengths_come_in_millimetres_too(photo: str) -> None:
    result = processed(photo, segmenter_reply(), mm_per_px="0.5")

    assert result["mm_per_px"] == 0.5
    assert (result["objects"][0]["length_mm"], result["objects"][0]["area_mm2"]) == (50, 1250)


def test_replies_are_ordered_by_index_whatever_order_they_came_in(photo: str) -> None:
    result = processed(
        photo,
        json.dumps(
            [segmenter_reply(2, 3, label="c"), segmenter_reply(0, 3, label="a"), segmenter_reply(1, 3, label=None)]
        ),
    )

    assert [item["label"] for item in result["objects"]] == ["a", None, "c"]


def test_an_empty_mask_is_counted_but_is_no_object(photo: str) -> None:
    empty = segmenter_reply(1, 2, mask=np.zeros((5, 5), np.bool_))

    result = processed(photo, json.dumps([segmenter_reply(0, 2), empty]))

    assert (result["count"], result["empty_masks"], len(result["objects"])) == (1, 1, 1)


def test_colours_of_a_coarse_mask_are_the_photos_own_pixels(tmp_path: Path) -> None:
    stripes = np.zeros((100, 100, 3), np.uint8)
    stripes[:, ::2] = 255
    path = save(stripes, tmp_path / "photo.png")

    (found,) = processed(path, segmenter_reply(crop=Box(0, 0, 100, 100), mask=np.ones((10, 9), np.bool_)))["objects"]

    # a grid of own pixels holds black and white ones; averaged in RGB first it would be about 76
    whites = found["mean_lab"][0] * 9 / 100
    assert whites == pytest.approx(round(whites), abs=0.01)
