import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenoloop.errors import TaskInvalid
from phenoloop.labelling.brush import encode_brush
from phenoloop.labelling.config import ControlKind
from phenoloop.labelling.regions import decode_regions

RECORDED = Path(__file__).parents[1] / "recorded" / "label_studio"


def annotated(file):
    return decode_regions(json.loads((RECORDED / f"{file}.json").read_text())["result"])


def item(value, result_type="rectanglelabels", **more):
    size = {"original_width": 200, "original_height": 100}
    return {"id": "r1", "from_name": "c", "to_name": "image", "type": result_type, "value": value, **size, **more}


def test_a_kept_mask_comes_with_its_numbers_and_a_drawn_one_without():
    kept, drawn = annotated("annotation_masks")

    assert (kept.label, kept.origin, set(kept.numbers)) == ("tomato", "prediction", {"length_mm", "width_mm"})
    assert (drawn.label, drawn.origin, drawn.numbers) == ("potato", "manual", {})
    assert drawn.mask.shape == (46, 137)
    assert drawn.box_px == (456, 753, 593, 799)
    assert 3500 < drawn.mask.sum() < 3900


def test_a_drawn_polygon_is_filled():
    _, drawn = annotated("annotation_polygons")

    assert (drawn.kind, drawn.label, len(drawn.points_px)) == (ControlKind.POLYGON, "potato", 3)
    (ax, ay), (bx, by), (cx, cy) = drawn.points_px
    assert drawn.mask.sum() == pytest.approx(abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2, rel=0.01)


def test_a_turned_box_reaches_as_far_as_its_corners():
    _, drawn = annotated("annotation_boxes")

    assert (drawn.kind, drawn.mask) == (ControlKind.RECTANGLE, None)
    assert np.allclose(drawn.box_px, [511.9, 574.0, 710.8, 755.0], atol=0.1)


@settings(deadline=None)
@given(
    corner=st.tuples(st.floats(0, 90), st.floats(0, 90)),
    size=st.tuples(st.floats(0.1, 60), st.floats(0.1, 60)),
    rotation_deg=st.floats(-180, 180),
)
def test_a_box_of_any_rotation_has_the_sides_it_was_given(corner, size, rotation_deg):
    value = {"x": corner[0], "y": corner[1], "width": size[0], "height": size[1], "rotation": rotation_deg}

    (region,) = decode_regions([item(value)])

    sides = np.linalg.norm(np.roll(region.points_px, -1, axis=0) - region.points_px, axis=1)
    assert np.allclose(sides, [2 * size[0], size[1], 2 * size[0], size[1]])
    assert np.allclose(region.points_px[0], [2 * corner[0], corner[1]])


def test_a_key_point_has_a_place_and_no_mask():
    (region,) = decode_regions([item({"x": 50, "y": 50, "width": 0.3, "keypointlabels": ["leek"]}, "keypointlabels")])

    assert (region.kind, region.label, region.mask, region.box_px) == (
        ControlKind.KEYPOINT,
        "leek",
        None,
        (100, 50, 100, 50),
    )


def test_a_mask_that_still_carries_its_prompts_type_is_a_mask_under_its_own_label():
    mask = {"format": "rle", "rle": encode_brush(np.ones((3, 4), bool), (10, 20), 200, 100)}
    prompt = item({**mask, "keypointlabels": ["leek"]}, "keypointlabels")
    brush = item({**mask, "brushlabels": ["carrot"]}, "brushlabels")

    (region,) = decode_regions([prompt, brush])
    (unnamed,) = decode_regions([prompt])

    assert (region.kind, region.label, region.box_px) == (ControlKind.BRUSH, "carrot", (10, 20, 14, 23))
    assert (unnamed.kind, unnamed.label) == (ControlKind.BRUSH, "leek")


def test_a_geometry_and_its_separate_label_are_one_region():
    box = {"x": 1, "y": 1, "width": 5, "height": 5}

    (region,) = decode_regions([item(box, "rectangle"), item({**box, "labels": ["leek"]}, "labels")])

    assert region.label == "leek"


def test_a_region_without_label_has_none():
    (region,) = decode_regions([item({"x": 1, "y": 1, "width": 5, "height": 5, "rectanglelabels": []})])

    assert region.label is None


def test_numbers_of_the_photo_relations_and_choices_are_no_regions():
    others = [
        {"id": "n", "from_name": "count", "to_name": "image", "type": "number", "value": {"number": 3}},
        {"id": "c", "from_name": "quality", "to_name": "image", "type": "choices", "value": {"choices": ["good"]}},
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
    ]

    assert decode_regions(others) == []


def test_items_without_an_id_are_regions_of_their_own():
    box = {"x": 1, "y": 1, "width": 5, "height": 5}

    assert len(decode_regions([item(box, id=None), item(box, id=None)])) == 2


@pytest.mark.parametrize(
    "broken",
    [
        "no object",
        item({"rle": [0, 0, 0, 1], "format": "rle"}, "brushlabels"),
        item({"points": []}, "polygonlabels"),
        item({"points": [[1, 2], ["x", 3]]}, "polygonlabels"),
        item({"points": [[1, 2], [3, float("nan")]]}, "polygonlabels"),
        item({"x": None, "y": 1, "width": 1, "height": 1}),
        item({"x": 1, "y": 1, "width": 1, "height": 1}, original_width=0),
        item({"x": 1, "y": 1, "width": 1, "height": 1}, original_width="wide"),
        item({"x": 1, "y": 1, "width": 1, "height": 1}, original_width=10**6, original_height=10**6),
        item("text"),
    ],
)
def test_what_label_studio_never_writes_is_refused(broken):
    with pytest.raises(TaskInvalid):
        decode_regions([broken])


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from(["x", "y", "width", "height", "rotation", "points", "rle", "number", "brushlabels"])


@settings(deadline=None)
@given(st.dictionaries(names, json_values, max_size=6))
def test_any_value_is_read_or_refused(value):
    try:
        decode_regions([item(value)])
    except TaskInvalid:
        return


BOX = {"x": 10, "y": 10, "width": 20, "height": 20}


@pytest.mark.parametrize(
    "broken",
    [
        item(BOX, original_width=float("inf")),
        item({**BOX, "x": 10**400}),
        item({**BOX, "number": 10**400}),
        item({**BOX, "rotation": 10**400}),
        item({"points": [[1e308, 0], [-1e308, 0], [5, 5]]}),
        item({"rle": 10**12}),
        item({"rle": "AAAA"}),
    ],
)
def test_numbers_that_no_photo_has_are_refused(broken):
    with pytest.raises(TaskInvalid):
        decode_regions([broken])


def test_regions_that_would_take_too_much_time_and_memory_are_refused():
    crossing = {"points": [[100 * (at % 2), 100 * (at % 4 < 2)] for at in range(5_000)]}

    with pytest.raises(TaskInvalid, match="more pixels than we hold"):
        decode_regions([item(crossing, original_width=13_000, original_height=13_000)])
