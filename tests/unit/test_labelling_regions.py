import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface
from structlog.testing import capture_logs

from phenoloop.labelling.config import ControlKind, parse_labelling_config
from phenoloop.labelling.regions import Shape, decode_regions, prompted_regions, regions

CONFIGS = Path(__file__).parents[2] / "configs" / "labelling"
WIDTH_PX, HEIGHT_PX = 640, 480
ALL_KINDS = """<View><Image name="image" value="$image"/>
  <KeyPointLabels name="point" toName="image"><Label value="tomato"/></KeyPointLabels>
  <RectangleLabels name="box" toName="image"><Label value="tomato"/></RectangleLabels>
  <PolygonLabels name="outline" toName="image"><Label value="tomato"/></PolygonLabels>
  <BrushLabels name="mask" toName="image"><Label value="tomato"/></BrushLabels>
  <Number name="length_mm" toName="image" perRegion="true"/>
</View>"""


def tomato(label="tomato", score=0.9, x=100, y=60, width=80, height=50, **measures):
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 2 - 1, height // 2 - 1), 0, 0, 360, 1, -1)
    box_px = (float(x), float(y), float(x + width), float(y + height))
    return Shape(label, score, box_px, mask.astype(bool), (x, y), measures)


def result(shapes, xml, *, label_map=None, image_measures=None, id_seed="release-1"):
    config = parse_labelling_config(xml)
    return regions(
        shapes,
        config,
        WIDTH_PX,
        HEIGHT_PX,
        label_map=label_map or {},
        image_measures=image_measures or {},
        id_seed=id_seed,
    )


def controls(items):
    return [item["from_name"] for item in items]


def one_control(label_tags, attributes=""):
    return f"""<View><Image name="image" value="$image"/>
      <RectangleLabels name="box" toName="image" {attributes}>{label_tags}</RectangleLabels></View>"""


@pytest.mark.parametrize("file", ["masks", "polygons", "boxes"])
def test_the_default_configurations_get_a_region_and_its_numbers_that_label_studio_accepts(file):
    xml = (CONFIGS / f"{file}.xml").read_text()

    items = result([tomato(length_mm=81.23, width_mm=50.01)], xml, image_measures={"count": 1})

    assert controls(items)[1:] == ["length_mm", "width_mm", "count"]
    assert items[0]["id"] == items[1]["id"] == items[2]["id"] != items[3]["id"]
    assert [item["value"]["number"] for item in items[1:]] == [81.2, 50.0, 1]
    assert LabelInterface(xml).validate_prediction({"result": items}, return_errors=True) == []


def test_every_control_gets_a_region_and_the_most_exact_is_parent_of_the_others():
    items = result([tomato(length_mm=8.0)], ALL_KINDS)

    assert controls(items) == ["mask", "length_mm", "outline", "box", "point"]
    assert "parentID" not in items[0]
    assert {item["parentID"] for item in items[2:]} == {items[0]["id"]}
    assert len({item["id"] for item in items}) == 4
    assert LabelInterface(ALL_KINDS).validate_prediction({"result": items}, return_errors=True) == []


def test_a_control_for_prompts_only_gets_no_region():
    assert result([tomato()], one_control('<Label value="tomato"/>', 'smartOnly="true"')) == []


def test_regions_carry_the_score_and_the_photos_size():
    (item,) = result([tomato(score=0.87654)], one_control('<Label value="tomato"/>'))

    assert item["score"] == 0.8765
    assert (item["original_width"], item["original_height"], item["image_rotation"]) == (640, 480, 0)


def test_a_plain_control_gets_its_geometry_and_the_label_under_one_id():
    xml = """<View><Image name="image" value="$image"/>
      <Labels name="kind" toName="image"><Label value="tomato"/></Labels>
      <Rectangle name="box" toName="image"/></View>"""

    box, label = result([tomato()], xml)

    assert (box["from_name"], box["type"], label["from_name"], label["type"]) == ("box", "rectangle", "kind", "labels")
    assert box["id"] == label["id"]
    assert label["value"]["labels"] == ["tomato"]


@pytest.mark.parametrize(
    ("label_tags", "label_map", "expected"),
    [
        ('<Label value="tomato"/><Label value="Fruit" predicted_values="apple,tomato"/>', {}, "Fruit"),
        ('<Label value="tomato"/><Label value="Pomodoro"/>', {"tomato": "Pomodoro"}, "Pomodoro"),
        ('<Label value="Tomato"/><Label value="tomato"/>', {}, "tomato"),
        ('<Label value="TO MA_TO"/>', {}, "TO MA_TO"),
    ],
)
def test_a_label_is_found_by_predicted_values_then_map_then_name_then_loosely(label_tags, label_map, expected):
    (item,) = result([tomato()], one_control(label_tags), label_map=label_map)

    assert item["value"]["rectanglelabels"] == [expected]


def test_an_object_whose_label_a_control_lacks_is_left_out_of_it_and_logged():
    with capture_logs() as logs:
        items = result([tomato(), tomato("leek", x=300), tomato(None, x=400)], one_control('<Label value="tomato"/>'))

    assert [item["value"]["rectanglelabels"] for item in items] == [["tomato"]]
    assert {(log["control"], log["label"], log["objects"]) for log in logs} == {("box", "leek", 1), ("box", None, 1)}


def test_an_object_below_a_controls_threshold_is_left_out_of_it():
    xml = one_control('<Label value="tomato"/>', 'model_score_threshold="0.5"')

    assert [item["score"] for item in result([tomato(score=0.49), tomato(score=0.5)], xml)] == [0.5]


def test_an_object_without_pixels_gets_no_region():
    empty = Shape("tomato", 0.9, (1.0, 1.0, 3.0, 3.0), np.zeros((2, 2), bool), (1, 1))

    assert result([empty], ALL_KINDS) == []


def test_without_a_scale_there_is_no_length():
    assert controls(result([tomato(length_px=80.0)], ALL_KINDS)) == ["mask", "outline", "box", "point"]


def test_a_number_that_the_editor_would_not_let_pass_is_left_out():
    xml = ALL_KINDS.replace('name="length_mm"', 'name="length_mm" max="50"')

    assert "length_mm" not in controls(result([tomato(length_mm=50.2)], xml))
    assert "length_mm" in controls(result([tomato(length_mm=49.9)], xml))


@settings(deadline=None)
@given(
    value=st.floats(0, 1e5), step=st.sampled_from(["0.1", "0.5", "1", "0.25"]), low=st.sampled_from(["0", "-3", "0.05"])
)
def test_numbers_are_multiples_of_the_step_as_the_editor_checks_them(value, step, low):
    xml = ALL_KINDS.replace('name="length_mm"', f'name="length_mm" step="{step}" min="{low}"')

    number = result([tomato(length_mm=value)], xml)[1]["value"]["number"] if value >= float(low) else float(low)

    difference = number - float(low)  # as the Number tag does it, in 64-bit floats
    nearest = round(difference / float(step)) * float(step) + float(low)
    assert abs(number - nearest) <= 1e-8
    assert abs(number - value) <= float(step)


def test_the_same_objects_of_the_same_release_give_the_same_bytes_and_another_release_other_ids():
    shapes = [tomato(length_mm=8.0), tomato(x=300)]

    first, again = (json.dumps(result(shapes, ALL_KINDS)) for _ in range(2))
    other = result(shapes, ALL_KINDS, id_seed="release-2")

    assert first == again
    assert not {item["id"] for item in json.loads(first)} & {item["id"] for item in other}


def test_two_equal_objects_are_two_regions():
    items = result([tomato(), tomato()], one_control('<Label value="tomato"/>'))

    assert len({item["id"] for item in items}) == 2


def test_a_prompt_is_answered_in_the_most_exact_control_alone_with_its_numbers():
    config = parse_labelling_config(ALL_KINDS)

    items = prompted_regions([tomato(length_mm=8.0)], config, WIDTH_PX, HEIGHT_PX, label_map={}, id_seed="prompt-1")

    assert controls(items) == ["mask", "length_mm"]


@settings(deadline=None)
@given(
    x=st.integers(0, 500),
    y=st.integers(0, 400),
    width=st.integers(4, 140),
    height=st.integers(4, 80),
)
def test_what_is_written_is_read_back(x, y, width, height):
    shape = tomato(x=x, y=y, width=width, height=height, length_mm=12.34)

    by_kind = {region.kind: region for region in decode_regions(result([shape], ALL_KINDS))}

    brush, polygon = by_kind[ControlKind.BRUSH], by_kind[ControlKind.POLYGON]
    assert all(region.label == "tomato" for region in by_kind.values())
    assert (brush.parent_id, polygon.parent_id) == ("", brush.id)
    assert brush.numbers == {"length_mm": 12.34}
    assert brush.mask.sum() == shape.mask.sum()
    assert np.allclose(by_kind[ControlKind.RECTANGLE].box_px, shape.box_px, atol=1e-3)
    assert np.allclose(polygon.box_px, brush.box_px, atol=2)
    point_x, point_y = by_kind[ControlKind.KEYPOINT].points_px[0]
    assert shape.mask[int(point_y) - y, int(point_x) - x]
