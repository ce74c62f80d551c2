from typing import Any

import pytest

from loc360.conformance.likeness import difference

RESULT = {"count": 1, "objects": [{"label": "tomato", "length_px": 100.0, "mask_png": "i" * 200}]}


def with_object(**changes: Any) -> dict[str, Any]:
    return {**RESULT, "objects": [{**RESULT["objects"][0], **changes}]}  # type: ignore[index,dict-item]


@pytest.mark.parametrize("other", [RESULT, with_object(length_px=101.0), with_object(mask_png="j" * 204)])
def test_results_are_alike_up_to_a_pixel(other: dict[str, Any]) -> None:
    assert difference(RESULT, other) == ""


@pytest.mark.parametrize(
    ("other", "place"),
    [
        ({**RESULT, "count": 9}, "['count']"),
        ({"count": 1}, "objects"),
        ({**RESULT, "objects": []}, "['objects'] has 1 elements and 0"),
        (with_object(label="carrot"), "['objects'][0]['label']"),
        (with_object(length_px=110.0), "['objects'][0]['length_px'] is 100.0 and 110.0"),
        (with_object(length_px=None), "['objects'][0]['length_px']"),
    ],
)
def test_the_first_difference_is_named_with_its_place(other: dict[str, Any], place: str) -> None:
    assert place in difference(RESULT, other)
