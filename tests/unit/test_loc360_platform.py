"""The contract with Loc360: a driver that knows only what its deployment note says, and the module behind it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import loc360
from loc360.manifest import Manifest
from loc360.wire import Box
from tests.unit.fake_models import (
    DETECTOR_ENDPOINT,
    DETECTOR_MODEL,
    SEGMENTER_ENDPOINT,
    SEGMENTER_MODEL,
    FakeRuntime,
    Painted,
    manifest,
    paint,
    save,
)


class Loc360Platform:
    """Calls model after model with what the module hands it, and knows nothing of what the strings mean."""

    def __init__(self, runtime: FakeRuntime, *, splits_lists: bool) -> None:
        self.runtime = runtime
        self.splits_lists = splits_lists

    def run(self, img_path: str, manifest: Manifest, **more: Any) -> dict[str, Any]:
        def metadata(model: str, response: str | None) -> dict[str, Any]:
            properties = {"dl_model_name": model, "manifest": manifest.to_dict(), **more}
            return {"properties": properties if response is None else {**properties, "sagemaker_response": response}}

        response = None
        for model, endpoint in ((DETECTOR_MODEL, DETECTOR_ENDPOINT), (SEGMENTER_MODEL, SEGMENTER_ENDPOINT)):
            payload = loc360.sagemaker_preprocess(img_path, metadata(model, response))
            assert isinstance(payload, str)
            assert len(payload.encode()) < 6_291_456
            response = self._call(endpoint, payload)
        result = loc360.process(img_path, metadata(SEGMENTER_MODEL, response))
        return json.loads(json.dumps(result, allow_nan=False))

    def _call(self, endpoint: str, payload: str) -> str:
        if self.splits_lists and payload.startswith("["):
            return json.dumps([self._invoke(endpoint, element) for element in json.loads(payload)])
        return self._invoke(endpoint, payload)

    def _invoke(self, endpoint: str, payload: str) -> str:
        assert isinstance(payload, str)
        reply = self.runtime.invoke_endpoint(
            EndpointName=endpoint, Body=payload.encode(), ContentType="application/json", Accept="application/json"
        )
        return reply["Body"].read().decode()


MARKET = [
    Painted("carrot", Box(100, 80, 400, 160)),
    Painted("tomato", Box(500, 300, 620, 420), ellipse=True),
    Painted("cucumber", Box(900, 100, 960, 700)),
]


def enlarged(things: list[Painted], factor: int) -> list[Painted]:
    return [Painted(thing.label, Box(*(factor * edge for edge in thing.box)), thing.ellipse) for thing in things]


def check(result: dict[str, Any], things: list[Painted], tolerance_px: float) -> None:
    """Each thing is found once, with its label, where it is and as large as it is."""
    assert result["count"] == len(things)
    for thing in things:
        (found,) = (item for item in result["objects"] if _near(item["box_px"], thing.box, tolerance_px))
        assert found["label"] == thing.label
        long_side, short_side = _sides(thing.box)
        assert found["length_px"] == pytest.approx(long_side, abs=2 * tolerance_px)
        assert found["width_px"] == pytest.approx(short_side, abs=2 * tolerance_px)
        area = long_side * short_side * (np.pi / 4 if thing.ellipse else 1)
        assert found["area_px"] == pytest.approx(area, abs=2 * tolerance_px * (long_side + short_side))


def _near(box: list[float], truth: Box, tolerance_px: float) -> bool:
    return bool(np.abs(np.subtract(box, truth)).max() <= tolerance_px)


def _sides(box: Box) -> tuple[float, float]:
    width, height = box.x1 - box.x0, box.y1 - box.y0
    return max(width, height), min(width, height)


@pytest.mark.parametrize("splits_lists", [True, False])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_things_are_found_where_they_are_in_the_upright_photo(
    tmp_path: Path, name: str, orientation: int, splits_lists: bool  # noqa: FBT001
) -> None:  # fmt: skip
    path = save(paint(1000, 800, MARKET), tmp_path / name, orientation=orientation)

    result = Loc360Platform(FakeRuntime(), splits_lists=splits_lists).run(path, manifest())

    assert (result["width_px"], result["height_px"]) == (1000, 800)
    check(result, MARKET, tolerance_px=1.5)


@pytest.mark.parametrize("orientation", [1, 6])
def test_things_in_fifty_megapixels_are_found_where_they_are(tmp_path: Path, orientation: int) -> None:
    things = enlarged(MARKET, 8)
    path = save(paint(8000, 6250, things), tmp_path / "photo.jpg", orientation=orientation)

    result = Loc360Platform(FakeRuntime(), splits_lists=True).run(path, manifest(), mm_per_px=0.1)

    assert (result["width_px"], result["height_px"]) == (8000, 6250)
    check(result, things, tolerance_px=20)  # one mask pixel of the tallest is 12 pixels
    for item in result["objects"]:
        assert item["length_mm"] == pytest.approx(item["length_px"] / 10)


def test_a_thing_in_a_tiny_photo_is_found(tmp_path: Path) -> None:
    things = [Painted("carrot", Box(3, 4, 13, 9))]
    path = save(paint(16, 12, things), tmp_path / "photo.png")

    check(Loc360Platform(FakeRuntime(), splits_lists=True).run(path, manifest()), things, tolerance_px=1.5)


@pytest.mark.parametrize("splits_lists", [True, False])
def test_an_empty_photo_has_no_objects(tmp_path: Path, splits_lists: bool) -> None:  # noqa: FBT001
    path = save(paint(300, 200, []), tmp_path / "photo.jpg")

    result = Loc360Platform(FakeRuntime(), splits_lists=splits_lists).run(path, manifest())

    assert (result["count"], result["objects"]) == (0, [])


def test_three_hundred_objects_are_found_with_and_without_list_splitting(tmp_path: Path) -> None:
    grid = [Box(20 + 80 * x, 20 + 78 * y, 60 + 80 * x, 64 + 78 * y) for x in range(20) for y in range(15)]
    things = [Painted("carrot" if place % 2 else "tomato", box, place % 3 == 0) for place, box in enumerate(grid)]
    path = save(paint(1600, 1200, things), tmp_path / "photo.png")
    split, whole = FakeRuntime(), FakeRuntime()

    result = Loc360Platform(split, splits_lists=True).run(path, manifest())

    check(result, things, tolerance_px=1.5)
    assert Loc360Platform(whole, splits_lists=False).run(path, manifest()) == result
    assert len(split.called(SEGMENTER_ENDPOINT)) == 300
    assert len(whole.called(SEGMENTER_ENDPOINT)) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_scene_comes_back_as_it_was_painted(tmp_path: Path, data: st.DataObject) -> None:
    columns, rows = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    cell = data.draw(st.integers(60, 250))
    things = []
    for x in range(columns):
        for y in range(rows):
            width, height = (data.draw(st.integers(20, cell - 20)) for _ in range(2))
            box = Box(x * cell + 10, y * cell + 10, x * cell + 10 + width, y * cell + 10 + height)
            things.append(Painted(data.draw(st.sampled_from(["carrot", "tomato", "cucumber"])), box))
    orientation = data.draw(st.sampled_from([1, 3, 6, 8]))
    path = save(paint(columns * cell, rows * cell, things), tmp_path / "photo.png", orientation=orientation)

    check(Loc360Platform(FakeRuntime(), splits_lists=True).run(path, manifest()), things, tolerance_px=1.5)
