import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc360.wire import mask_base64
from training.data.dataset import labels_of, read_photos
from training.errors import DatasetInvalid
from training.looks.augment import cut_out, pasted, placed
from training.looks.pictures import UNNAMED, Album, Picture, seen_through

SIZE = (80, 120)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5)
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def picture(*discs: tuple[float, float, float]) -> Picture:
    owner = np.zeros(SIZE, np.int16)
    image = np.full((*SIZE, 3), 40, np.uint8)
    for index, (x, y, radius) in enumerate(discs):
        owner[disc(x, y, radius)], image[disc(x, y, radius)] = index + 1, 200
    boxes = np.array([[x - r, y - r, x + r, y + r] for x, y, r in discs], np.float32).reshape(-1, 4)
    return Picture(image, owner, boxes, np.arange(len(discs)), np.ones(len(discs), np.bool_))


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    """One photo with a masked carrot and a box without a label."""
    image = np.full((200, 300, 3), 60, np.uint8)
    cv2.imwrite(str(tmp_path / "0001.jpg"), image)
    carrot = {"label": "carrot", "box_px": [30, 40, 90, 80], "mask": mask_base64(np.ones((40, 60), np.bool_)),
              "origin_px": [30, 40]}  # fmt: skip
    unnamed = {"label": None, "box_px": [200, 100, 260, 160], "mask": None, "origin_px": [200, 100]}
    line = {"file": "0001.jpg", "photo": "s3://loop/images/1.jpg", "group": None, "width_px": 300, "height_px": 200,
            "mm_per_px": None, "objects": [carrot, unnamed]}  # fmt: skip
    (tmp_path / "photos.jsonl").write_text(json.dumps(line) + "\n")
    return tmp_path


def test_a_channel_is_read_as_it_was_written(channel: Path) -> None:
    (photo,) = read_photos(channel)
    assert photo.objects[0].mask is not None
    assert photo.objects[0].mask.mask.shape == (40, 60)
    assert labels_of([photo]) == ("carrot",)


def test_a_garbled_index_is_a_failure_that_names_it(channel: Path) -> None:
    (channel / "photos.jsonl").write_text('{"file": "0001.jpg"}')
    with pytest.raises(DatasetInvalid, match=r"photos\.jsonl"):
        read_photos(channel)


def test_a_picture_shows_the_objects_at_its_own_scale(channel: Path) -> None:
    shown = Album(read_photos(channel), ["carrot"], 150).picture(0)
    assert shown.image.shape == (100, 150, 3)
    assert shown.boxes.tolist() == [[15, 20, 45, 40], [100, 50, 130, 80]]
    assert shown.labels.tolist() == [0, UNNAMED]
    ys, xs = np.nonzero(shown.owner == 1)
    assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (15, 20, 45, 40)


@given(angle_seed=st.integers(0, 10_000), scale=st.floats(0.8, 1.5))
def test_boxes_stay_tight_about_what_is_seen_however_the_picture_is_turned(angle_seed: int, scale: float) -> None:
    whole = picture((60, 40, 18))
    matrix = placed(np.random.default_rng(angle_seed), np.array([60, 40], np.float32), np.array([64, 64], np.float32),
                    scale, any_angle=True)  # fmt: skip
    shown = seen_through(whole, matrix, 128, 128)
    assert np.allclose(shown.boxes[0], 64 + 18 * scale * np.array([-1, -1, 1, 1]), atol=2)


def test_what_leaves_the_picture_is_no_object_of_it_any_more() -> None:
    shifted = np.array([[1, 0, -70], [0, 1, 0]], np.float32)
    shown = seen_through(picture((30, 40, 15), (100, 40, 15)), shifted, SIZE[1], SIZE[0])
    assert shown.labels.tolist() == [1]
    assert shown.owner.max() == 1


def test_a_pasted_object_takes_from_what_it_covers() -> None:
    below, thing = picture((60, 40, 18)), cut_out(picture((30, 30, 12)), 0)
    together = pasted(np.random.default_rng(0), below, thing, 1.0, np.array([74, 40], np.float32))
    assert len(together.boxes) == 2
    assert np.allclose(together.boxes[1], [62, 28, 86, 52], atol=1.5)
    assert (together.owner == 1).sum() < (below.owner == 1).sum()


def test_an_object_that_is_all_but_covered_is_left_out() -> None:
    below, thing = picture((60, 40, 10)), cut_out(picture((30, 30, 12)), 0)
    together = pasted(np.random.default_rng(0), below, thing, 1.0, np.array([60, 40], np.float32))
    assert len(together.boxes) == 1
    assert np.allclose(together.boxes[0], [48, 28, 72, 52], atol=1.5)
