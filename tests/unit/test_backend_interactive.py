import pytest

from loc360.wire import Box, Point
from ml_backend.model import phenoloop_model
from phenoloop.errors import EndpointUnavailable
from tests.unit.backend_fakes import MASKS, RELEASE, FakeChain, Gate, backend, recorded, tasks


def answer(served, asked):
    """To a recorded request of Label Studio 1.23.2."""
    context = asked["params"]["context"]
    return phenoloop_model(served)().predict(asked["tasks"], context, label_config=asked["label_config"])


def prompted(*drawn, served=None):
    return phenoloop_model(served or backend())().predict(tasks("a.jpg"), {"result": list(drawn)}, label_config=MASKS)


def rectangle(label="tomato", region_id="r1", **value):
    box = {"x": 10, "y": 20, "width": 5, "height": 10, "rotation": 0, "rectanglelabels": [label], **value}
    size = {"original_width": 1280, "original_height": 960, "image_rotation": 0}
    return {"id": region_id, "from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": box, **size}


def point(**more):
    value = {"x": 25, "y": 50, "width": 0.3, "labels": ["carrot"], "keypointlabels": ["carrot"]}
    return rectangle() | {"from_name": "point", "type": "keypointlabels", "value": value, "is_positive": True, **more}


def test_a_drawn_rectangle_becomes_a_mask_under_its_label():
    chain = FakeChain()

    (item,) = answer(backend(chain=chain), recorded("predict_rectangle"))

    (prompt,) = chain.prompts
    assert prompt.label == "tomato"
    assert prompt.box_px == pytest.approx(Box(515.52, 364.33, 643.04, 491.84), abs=0.01)
    assert item["model_version"] == RELEASE
    assert [(region["from_name"], region["type"]) for region in item["result"]] == [("mask", "brushlabels")]
    assert item["result"][0]["value"]["brushlabels"] == ["tomato"]


def test_a_set_key_point_becomes_a_mask_under_its_label():
    chain = FakeChain()

    (item,) = answer(backend(chain=chain), recorded("predict_keypoint"))

    (prompt,) = chain.prompts
    assert (prompt.label, prompt.box_px) == ("tomato", None)
    assert prompt.point_px == pytest.approx(Point(626.64, 451.76), abs=0.01)
    assert item["result"][0]["value"]["brushlabels"] == ["tomato"]


def test_nothing_drawn_adds_nothing_to_the_annotation():
    chain = FakeChain()

    assert answer(backend(chain=chain), recorded("predict_nothing_drawn")) == [[]]
    assert chain.prompts == []


def test_the_last_of_several_prompts_counts():
    chain = FakeChain()

    prompted(rectangle("tomato"), rectangle("pepper", "r2", x=40), served=backend(chain=chain))

    assert [(prompt.label, prompt.box_px.x0) for prompt in chain.prompts] == [("pepper", 512.0)]


def test_a_point_that_excludes_is_no_prompt():
    chain = FakeChain()

    prompted(point(), point(id="r2", is_positive=False), served=backend(chain=chain))

    assert [prompt.point_px for prompt in chain.prompts] == [Point(320.0, 480.0)]
    assert prompted(point(is_positive=False)) == [[]]


def test_two_prompts_give_two_regions_and_the_same_prompt_the_same_one():
    def region_id(drawn):
        return prompted(drawn)[0]["result"][0]["id"]

    assert region_id(rectangle()) == region_id(rectangle())
    assert region_id(rectangle()) != region_id(rectangle(region_id="r2"))


def test_numbers_of_the_object_come_along_and_those_of_the_photo_do_not():
    asked = recorded("predict_rectangle")
    asked["tasks"][0]["data"]["mm_per_px"] = 0.5

    (item,) = answer(backend(), asked)

    assert [region["from_name"] for region in item["result"]] == ["mask", "length_mm", "width_mm"]


@pytest.mark.parametrize("drawn", [{"id": "x"}, rectangle(x="left"), {**rectangle(), "original_width": 0}])
def test_a_prompt_of_another_form_fails_and_leaves_the_prompt_where_it_is(drawn):
    assert prompted(drawn) == [[]]


def test_a_failing_chain_answers_with_an_empty_item():
    def fail(etag):
        raise EndpointUnavailable("The endpoint throttled.")

    served = backend(chain=FakeChain(before=fail))

    assert answer(served, recorded("predict_rectangle")) == [[]]
    assert 'phenoloop_failures_total{error="EndpointUnavailable"} 1.0' in served.metrics.text()


def test_a_prompt_is_given_up_long_before_label_studio_gives_up():
    gate = Gate("a.jpg")
    served = backend(chain=FakeChain(before=gate), prompt_deadline_s=0.1)

    try:
        assert prompted(rectangle(), served=served) == [[]]
    finally:
        gate.open()
