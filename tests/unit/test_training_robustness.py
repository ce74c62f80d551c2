"""Spoilt photos: the truth goes where the pixels go; and what chains lose on them."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc360.wire import Box
from tests.unit.fake_models import Painted, detect, manifest, paint, segment
from tests.unit.training_archives import put_test_photos
from training.data.dataset import LabelledObject, LabelledPhoto, read_photos
from training.errors import JobFailed
from training.evaluation.chain_run import Chain, Model
from training.evaluation.corruptions import CORRUPTIONS, Corruption, Placement
from training.evaluation.robustness import VARIANTS, robustness
from training.evaluation.summary import told_of
from training.job import ProcessingFolders
from training.masks import PlacedMask, box_ious, mask_iou, trimmed

THINGS = [Painted("carrot", Box(60, 30, 180, 90)), Painted("tomato", Box(220, 120, 310, 210), ellipse=True)]
GRADES = [(corruption, grade) for corruption in CORRUPTIONS for grade in corruption.grades]


@dataclass(frozen=True)
class InProcess:
    answer: object

    def invoke(self, payload: str) -> str:
        return str(self.answer(payload))  # type: ignore[operator]


def painted(*, masked: bool = True) -> LabelledPhoto:
    objects = tuple(
        LabelledObject(thing.label, thing.box, trimmed(PlacedMask(thing.mask(400, 300), (0, 0))) if masked else None)
        for thing in THINGS
    )
    return LabelledPhoto(Path("photo.png"), "s3://loop/1.png", None, 400, 300, 0.5, objects)


def coloured(image: np.ndarray) -> PlacedMask:  # type: ignore[type-arg]
    return PlacedMask(np.ptp(image.astype(int), axis=2) > 60, (0, 0))


def everything(photo: LabelledPhoto) -> PlacedMask:
    canvas = np.zeros((photo.height_px, photo.width_px), np.bool_)
    for thing in photo.objects:
        assert thing.mask is not None
        (x, y), (height, width) = thing.mask.origin_px, thing.mask.mask.shape
        canvas[y : y + height, x : x + width] |= thing.mask.mask
    return PlacedMask(canvas, (0, 0))


@pytest.mark.parametrize(("corruption", "grade"), GRADES, ids=lambda value: getattr(value, "name", str(value)))
def test_the_truth_lies_on_the_spoilt_pixels(corruption: Corruption, grade: float) -> None:
    before = painted()
    image, photo = corruption.spoilt(paint(400, 300, THINGS), before, grade)
    assert image.shape == (photo.height_px, photo.width_px, 3)
    assert image.dtype == np.uint8
    if corruption.placed is not None:
        assert mask_iou(coloured(image), everything(photo)) > 0.94
    else:
        assert photo == before


@given(degrees=st.floats(-180, 180), scale=st.floats(0.3, 1))
def test_no_object_leaves_the_frame(degrees: float, scale: float) -> None:
    corruption = Corruption("any", "", (), placed=lambda _: Placement(np.radians(degrees), scale))
    _, photo = corruption.spoilt(paint(400, 300, THINGS), painted(), 0)
    for thing, before in zip(photo.objects, painted().objects, strict=True):
        assert thing.mask is not None
        assert before.mask is not None
        assert thing.mask.mask.sum() == pytest.approx(before.mask.mask.sum() * scale**2, rel=0.12)
        assert thing.box_px == thing.mask.box_px
        assert thing.box_px.x0 >= -1
        assert thing.box_px.x1 <= photo.width_px + 1


@pytest.mark.parametrize("degrees", [10, 30, 90])
def test_a_box_without_mask_turns_as_the_ellipse_in_it(degrees: float) -> None:
    rotation = next(item for item in CORRUPTIONS if item.name == "rotation")
    of_masks, of_boxes = (
        rotation.spoilt(paint(400, 300, THINGS), painted(masked=masked), degrees)[1].objects[1].box_px
        for masked in (True, False)
    )
    assert box_ious([of_masks], [of_boxes])[0, 0] > 0.95


def test_a_shrunk_photo_shows_more_millimetres_a_pixel() -> None:
    scale = next(item for item in CORRUPTIONS if item.name == "scale")
    assert scale.spoilt(paint(400, 300, THINGS), painted(), 0.4)[1].mm_per_px == pytest.approx(1.25)


def test_the_same_photo_and_grade_give_the_same_pixels() -> None:
    for corruption, grade in GRADES:
        first, second = (corruption.spoilt(paint(400, 300, THINGS), painted(), grade)[0] for _ in range(2))
        assert (first == second).all()


@pytest.mark.parametrize("corruption", [item for item in CORRUPTIONS if item.recoloured], ids=lambda item: item.name)
def test_each_grade_is_further_from_the_photo_than_the_one_before(corruption: Corruption) -> None:
    image = paint(400, 300, THINGS)
    far = [np.abs(corruption.spoilt(image, painted(), g)[0].astype(int) - image).mean() for g in corruption.grades]
    assert far == sorted(far)
    assert far[0] > 0


@pytest.fixture
def photos(tmp_path: Path) -> tuple[LabelledPhoto, ...]:
    folders = ProcessingFolders(tmp_path)
    put_test_photos(folders, THINGS, THINGS[:1])
    return read_photos(folders.input("test"))


def chain(name: str, detector: object = detect) -> Chain:
    models: list[Model] = [InProcess(detector), InProcess(segment)]
    return Chain(name, manifest(name), *models)


def test_a_chain_that_goes_by_colour_holds_in_noise_and_loses_in_the_dark(photos: tuple[LabelledPhoto, ...]) -> None:
    told = told_of(robustness([chain("candidate"), chain("live")], photos, 60))
    dark, jpeg = told["candidate"]["dark"], told["candidate"]["JPEG"]
    assert (told["photos"], told["wanted"]) == (2, 2)
    assert [item["grade"] for item in dark] == [1, 2, 3]
    assert dark[-1]["spoilt"]["box_ap50_any_label"] == 0
    assert jpeg[0]["spoilt"]["box_ap50_any_label"] == jpeg[0]["unspoilt"]["box_ap50_any_label"] == 1
    assert told["candidate"] == told["live"]


def test_a_photo_on_which_a_chain_fails_counts_as_nothing_found(photos: tuple[LabelledPhoto, ...]) -> None:
    of = robustness([chain("candidate", lambda body: "{}")], photos, 60)
    assert all(loss.spoilt.recall == 0 for loss in of.losses["candidate"].values())


def test_when_the_time_is_over_the_rest_is_left_out_alike_for_both_chains(photos: tuple[LabelledPhoto, ...]) -> None:
    def slow(body: str) -> str:
        time.sleep(0.04)
        return detect(body)

    of = robustness([chain("candidate", slow), chain("live")], photos, 0.5)
    candidate, live = of.losses["candidate"], of.losses["live"]
    assert 0 < len(candidate) < len(VARIANTS)
    assert {variant: loss.photos for variant, loss in candidate.items()} == dict.fromkeys(live, 1)
    assert (of.photos, of.wanted) == (1, 2)


def test_a_model_that_ends_is_no_loss_but_a_failure(photos: tuple[LabelledPhoto, ...]) -> None:
    def ended(body: str) -> str:
        raise JobFailed("Its process ended.")

    with pytest.raises(JobFailed, match="ended"):
        robustness([chain("candidate", ended)], photos, 60)


def test_without_time_for_anything_it_says_so(photos: tuple[LabelledPhoto, ...]) -> None:
    with pytest.raises(JobFailed, match="In 0 s there was no time"):
        robustness([chain("candidate")], photos, 0)


def test_the_middle_grades_come_first_so_that_little_time_tells_most() -> None:
    assert {variant.corruption for variant in VARIANTS[: len(CORRUPTIONS)]} == set(CORRUPTIONS)
