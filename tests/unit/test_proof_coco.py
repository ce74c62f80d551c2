"""COCO files as known photos."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from phenoloop.demo.proof.coco import CocoPhotos, read_coco
from phenoloop.errors import SettingsInvalid

POLYGON = [[1, 1, 5, 1, 5, 3, 1, 3]]
RLE = {"size": [6, 8], "counts": [7, 2, 4, 2, 4, 2, 4, 2, 21]}
COMPRESSED = {"size": [6, 8], "counts": "72400000a0"}


def written(folder: Path, annotations: list[dict[str, Any]], **image: Any) -> Path:
    """A COCO file of one photo of 8 x 6 pixels."""
    Image.new("RGB", (8, 6)).save(folder / "a.png")
    body = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6} | image],
        "annotations": [{"id": n, "image_id": 1, "category_id": 7} | item for n, item in enumerate(annotations)],
        "categories": [{"id": 7, "name": "apple"}, {"id": 8, "name": "pear"}],
    }
    file = folder / "coco.json"
    file.write_text(json.dumps(body))
    return file


def read(folder: Path, *annotations: dict[str, Any], **image: Any) -> CocoPhotos:
    return read_coco(written(folder, list(annotations), **image), folder)


@pytest.mark.parametrize("segmentation", [POLYGON, RLE, COMPRESSED], ids=["polygon", "rle", "compressed rle"])
def test_every_form_of_mask_is_read(tmp_path: Path, segmentation: Any) -> None:
    found = read(tmp_path, {"bbox": [1, 1, 4, 2], "segmentation": segmentation})
    (thing,) = found.photos[0].objects
    assert thing.mask is not None
    assert (thing.label, thing.origin_px, thing.box_px) == ("apple", (1, 1), (1, 1, 5, 3))
    assert np.array_equal(thing.mask, np.ones((2, 4), np.bool_))


def test_boxes_are_enough(tmp_path: Path) -> None:
    found = read(tmp_path, {"bbox": [1, 1, 4, 2]})
    (thing,) = found.photos[0].objects
    assert (found.with_masks, thing.mask, thing.box_px) == (False, None, (1, 1, 5, 3))


def test_with_masks_for_some_objects_only_all_are_boxes(tmp_path: Path) -> None:
    found = read(tmp_path, {"bbox": [1, 1, 4, 2], "segmentation": POLYGON}, {"bbox": [1, 1, 4, 2]})
    assert [thing.mask for thing in found.photos[0].objects] == [None, None]


def test_crowds_are_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, {"bbox": [1, 1, 4, 2]}, {"bbox": [0, 0, 8, 6], "iscrowd": 1, "segmentation": RLE})
    assert len(found.photos[0].objects) == 1


def test_only_categories_in_use_become_labels(tmp_path: Path) -> None:
    assert read(tmp_path, {"bbox": [1, 1, 4, 2]}).labels == ("apple",)


def test_group_and_scale_travel_with_the_photo(tmp_path: Path) -> None:
    found = read(tmp_path, {"bbox": [1, 1, 4, 2]}, group="plant-3", mm_per_px=0.25)
    assert found.photos[0].metadata == {"group": "plant-3", "mm-per-px": "0.25000"}


def test_a_group_may_be_a_number(tmp_path: Path) -> None:
    assert read(tmp_path, {"bbox": [1, 1, 4, 2]}, group=0).photos[0].group == "0"


def test_a_photo_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="not as the data set says"):
        read(tmp_path, width=9)


def test_a_missing_photo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="can't be read"):
        read(tmp_path, file_name="b.png")


@pytest.mark.parametrize(
    "segmentation",
    [{"size": [6, 8], "counts": [7, 2]}, {"size": [6, 8], "counts": "o"}, [[1, 1, 5]], {"size": [6, 8]}],
    ids=["too short", "cut off", "half a point", "no counts"],
)
def test_a_garbled_segmentation_is_refused(tmp_path: Path, segmentation: Any) -> None:
    with pytest.raises(SettingsInvalid, match="segmentation"):
        read(tmp_path, {"bbox": [1, 1, 4, 2], "segmentation": segmentation})


def test_a_file_that_is_no_coco_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(SettingsInvalid, match="no COCO file"):
        read_coco(tmp_path / "other.json", tmp_path)


def test_an_unknown_category_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="category"):
        read(tmp_path, {"bbox": [1, 1, 4, 2], "category_id": 99})
