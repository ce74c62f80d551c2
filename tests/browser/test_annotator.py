"""What an annotator sees and does in Label Studio, in a real browser. The pictures are kept in artifacts/browser."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from phenoloop.labelling.annotated import decode_regions
from tests.browser.annotator import Annotator, Place, chromium
from tests.conftest import RunningStack, eventually

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / "artifacts" / "browser"


@dataclass(frozen=True)
class Photo:
    project_id: int
    task_id: int
    prediction_id: int
    predicted: list[dict[str, Any]]
    """The prediction's result items."""

    def box_of_first_object(self) -> tuple[Place, Place]:
        """Its upper left and lower right corner."""
        width_px, height_px, (x0, y0, x1, y1) = self._first()
        return (x0 / width_px, y0 / height_px), (x1 / width_px, y1 / height_px)

    def point_in_first_object(self) -> Place:
        (x0, y0), (x1, y1) = self.box_of_first_object()
        return (x0 + x1) / 2, (y0 + y1) / 2

    def _first(self) -> tuple[int, int, tuple[float, float, float, float]]:
        item = masks(self.predicted)[0]
        return item["original_width"], item["original_height"], decode_regions([item])[0].box_px


@pytest.fixture(scope="module")
def annotator(stack: RunningStack) -> Iterator[Annotator]:
    status = stack.status()["label_studio"]
    with chromium() as driver:
        person = Annotator(driver, status["url"], PICTURES)
        person.log_in(status["user"], status["password"])
        yield person


@pytest.fixture(scope="module")
def photos(stack: RunningStack) -> Iterator[Photo]:
    """One that nobody touched yet at each call, with two objects or more."""
    status, label_studio = stack.status()["label_studio"], stack.label_studio()

    def untouched() -> Iterator[Photo]:
        for task in label_studio.tasks(status["project_id"]):
            *_, prediction = eventually(lambda task_id=task.id: label_studio.predictions(task_id))  # type: ignore[misc]
            if not label_studio.annotations(task.id) and len(masks(prediction["result"])) >= 2:
                yield Photo(status["project_id"], task.id, prediction["id"], prediction["result"])

    return untouched()


@pytest.fixture
def photo(photos: Iterator[Photo]) -> Photo:
    return next(photos)


def masks(result: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in result if item["type"] == "brushlabels"]


def test_a_correction_reaches_s3_and_is_seen_by_sync(annotator: Annotator, stack: RunningStack, photo: Photo) -> None:
    annotator.open_task(photo.project_id, photo.task_id)
    annotator.wait_for_regions(len(masks(photo.predicted)))
    annotator.take_picture("pre-annotated")

    annotator.select_region(0)
    annotator.use_tool("brush-tool")
    annotator.drag((0.40, 0.45), (0.60, 0.55))
    annotator.take_picture("corrected")
    annotator.submit()

    (annotation,) = eventually(lambda: stack.label_studio().annotations(photo.task_id))
    origins = [item["origin"] for item in masks(annotation["result"])]
    assert sorted(origins) == ["prediction"] * (len(origins) - 1) + ["prediction-changed"]
    assert eventually(lambda: stack.heard("annotation changed", annotation=annotation["id"]))["is_there"]


def test_whoever_is_at_a_task_while_a_new_release_predicts_it_can_submit(
    annotator: Annotator, stack: RunningStack, photo: Photo
) -> None:
    label_studio, version = stack.label_studio(), stack.status()["release"]
    annotator.open_task(photo.project_id, photo.task_id)
    annotator.wait_for_regions(len(masks(photo.predicted)))
    written = {"task": photo.task_id, "result": [], "score": 0.0, "model_version": version}
    assert label_studio.replace_prediction(photo.prediction_id, written)
    annotator.submit()
    (annotation,) = eventually(lambda: label_studio.annotations(photo.task_id))
    assert len(masks(annotation["result"])) == len(masks(photo.predicted))
    assert annotation["parent_prediction"] == photo.prediction_id


def test_a_box_drawn_with_the_smart_tool_comes_back_as_a_mask(annotator: Annotator, photo: Photo) -> None:
    before = annotator.open_and_delete_region(photo.project_id, photo.task_id, 0)
    annotator.use_smart_tool("rectangle-tool", "potato")
    annotator.drag(*photo.box_of_first_object())
    annotator.accept_suggestions()
    assert sorted(annotator.wait_for_regions(len(before) + 1)) == sorted([*before, "potato"])
    annotator.take_picture("smart-box")
    assert set(annotator.region_kinds()) == {"brushregion"}


def test_a_point_set_with_the_smart_tool_comes_back_as_a_mask(annotator: Annotator, photo: Photo) -> None:
    before = annotator.open_and_delete_region(photo.project_id, photo.task_id, 0)
    annotator.use_smart_tool("key-point-tool", "cucumber")
    annotator.click(photo.point_in_first_object())
    annotator.accept_suggestions()
    assert sorted(annotator.wait_for_regions(len(before) + 1)) == sorted([*before, "cucumber"])
    annotator.take_picture("smart-point")
    assert set(annotator.region_kinds()) == {"brushregion"}
