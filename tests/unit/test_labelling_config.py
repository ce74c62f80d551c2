from pathlib import Path

import pytest

from phenoloop.errors import LabellingConfigInvalid
from phenoloop.labelling.config import ControlKind, parse_labelling_config

CONFIGS = Path(__file__).parents[2] / "configs" / "labelling"
VEGETABLES = ("carrot", "tomato", "pepper", "cucumber", "potato")


def in_view(*tags: str) -> str:
    return f'<View><Image name="photo" value="$picture"/>{"".join(tags)}</View>'


def test_the_default_configuration_draws_masks_and_takes_boxes_and_points_as_prompts_only():
    config = parse_labelling_config((CONFIGS / "masks.xml").read_text())

    assert config.image_key == "image"
    assert [(c.name, c.kind, c.labels) for c in config.region_controls] == [("mask", ControlKind.BRUSH, VEGETABLES)]
    assert {c.name for c in config.controls if c.smart_only} == {"box", "point"}
    assert [c.name for c in config.region_numbers] == ["length_mm", "width_mm"]
    assert [c.name for c in config.image_numbers] == ["count"]


@pytest.mark.parametrize(("file", "kind"), [("polygons", ControlKind.POLYGON), ("boxes", ControlKind.RECTANGLE)])
def test_the_other_configurations_draw_one_kind_of_region(file, kind):
    config = parse_labelling_config((CONFIGS / f"{file}.xml").read_text())

    assert [(c.kind, c.labels) for c in config.region_controls] == [(kind, VEGETABLES)]


def test_the_image_key_and_the_controls_are_those_of_the_first_image():
    config = parse_labelling_config(
        in_view(
            '<Image name="other" value="$other"/>',
            '<BrushLabels name="mask" toName="photo"><Label value="leek"/></BrushLabels>',
            '<BrushLabels name="elsewhere" toName="other"><Label value="leek"/></BrushLabels>',
        )
    )

    assert (config.image_name, config.image_key) == ("photo", "picture")
    assert [control.name for control in config.controls] == ["mask"]


def test_region_controls_come_with_the_most_exact_first():
    tags = [
        f'<{tag} name="{tag}" toName="photo"><Label value="leek"/></{tag}>'
        for tag in ("KeyPointLabels", "RectangleLabels", "BrushLabels", "PolygonLabels")
    ]

    controls = parse_labelling_config(in_view(*tags)).region_controls

    assert [c.name for c in controls] == ["BrushLabels", "PolygonLabels", "RectangleLabels", "KeyPointLabels"]


def test_attributes_are_read_whatever_their_case():
    tag = """<RectangleLabels NAME="box" toname="photo" smartonly="true" model_score_threshold="0.4">
        <View><Label value="Leek" predicted_values=" leek, porree " alias="L"/></View></RectangleLabels>"""

    (control,) = parse_labelling_config(in_view(tag)).controls

    assert control.smart_only
    assert control.smart
    assert control.score_threshold == 0.4
    assert control.label_aliases == {"L": "Leek", "leek": "Leek", "porree": "Leek"}


def test_a_plain_brush_takes_its_labels_from_the_labels_tag_beside_it():
    tags = '<Labels name="kind" toName="photo"><Label value="leek"/></Labels><Brush name="mask" toName="photo"/>'

    (control,) = parse_labelling_config(in_view(tags)).controls

    assert (control.result_type, control.labels, control.labels_name) == ("brush", ("leek",), "kind")


def test_a_number_knows_what_the_editor_lets_pass():
    tag = '<Number name="length_mm" toName="photo" perRegion="true" min="1" max="9.5" step="0.5"/>'

    (control,) = parse_labelling_config(in_view(tag)).controls

    assert (control.per_region, control.low, control.high, control.step) == (True, 1.0, 9.5, 0.5)


def test_a_number_of_any_step_has_none():
    tag = '<Number name="length_mm" toName="photo" step="any"/>'

    assert parse_labelling_config(in_view(tag)).controls[0].step is None


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<View>",
        "<View/>",
        '<View><Image name="photo" value="fixed.jpg"/></View>',
        '<!DOCTYPE x [<!ENTITY a "b">]><View><Image name="photo" value="$picture"/></View>',
        in_view('<Number name="count" toName="photo" step="one"/>'),
        in_view('<Number name="count" toName="photo" max="inf"/>'),
        in_view('<BrushLabels name="mask" toName="photo" model_score_threshold="high"/>'),
    ],
)
def test_a_configuration_that_can_not_be_used_is_refused(xml):
    with pytest.raises(LabellingConfigInvalid):
        parse_labelling_config(xml)


@pytest.mark.parametrize(
    "xml",
    [
        in_view('<Number name="count" toName="photo" min="1e308"/>'),
        in_view('<BrushLabels name="mask" toName="photo">' * 3000 + "</BrushLabels>" * 3000),
        in_view('<Brush name="mask" toName="photo"/>' * 3000),
        "<View>" * 50_000 + "</View>" * 50_000,
    ],
    ids=["a number to overflow with", "nested controls", "many controls", "too long"],
)
def test_a_configuration_that_costs_too_much_is_refused(xml):
    with pytest.raises(LabellingConfigInvalid):
        parse_labelling_config(xml)


def test_a_number_of_hardly_any_step_has_a_small_one():
    tag = '<Number name="length_mm" toName="photo" step="1e-320"/>'

    assert parse_labelling_config(in_view(tag)).controls[0].step == 1e-6
