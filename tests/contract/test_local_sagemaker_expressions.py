"""Expressions and conditions of pipeline definitions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenoloop.local_aws.sagemaker.pipelines import conditions, expressions, paths
from phenoloop.local_aws.sagemaker.pipelines.expressions import (
    ExecutionVariable,
    Parameter,
    PropertyFile,
    Reference,
    StepProperty,
    Unresolvable,
)
from tests.contract.sagemaker_pipelines import compare, get, join, json_get

NAMES = st.text(st.characters(categories=["L", "N"], include_characters="-_ "), min_size=1)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES.filter(lambda name: name != "Get"), inner),
)


class Known(dict[Reference, Any]):
    def value(self, reference: Reference) -> Any:
        return self[reference]


@given(PLAIN)
def test_what_is_no_expression_stays_as_it_is(value: Any) -> None:
    assert expressions.resolved(value, Known()) == value
    assert list(expressions.references(value)) == []


@given(st.lists(st.one_of(st.integers(), st.booleans())), NAMES)
def test_a_path_leads_to_what_was_put_there(before: list[Any], name: str) -> None:
    document = {"a": {name: [*before, {"b": "found"}]}}
    for text in (f"a.{name}[{len(before)}].b", f"a['{name}'][{len(before)}].b", f'a["{name}"][{len(before)}]["b"]'):
        assert paths.looked_up(document, paths.parsed(text)) == "found"


@given(st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        assert paths.parsed(text)
    except paths.NoSuchPath:
        assert text == "" or set(text) & set(".[]'\"")


def test_a_list_of_outputs_is_entered_by_name_and_by_place() -> None:
    document = {"Outputs": [{"OutputName": "train", "Uri": 1}, {"OutputName": "test", "Uri": 2}]}
    assert paths.looked_up(document, paths.parsed("Outputs['test'].Uri")) == 2
    assert paths.looked_up(document, paths.parsed("Outputs[0].Uri")) == 1
    for missing in ("Outputs['gone']", "Outputs[2]", "Gone", "Outputs[0].Uri.x"):
        with pytest.raises(paths.NoSuchPath):
            paths.looked_up(document, paths.parsed(missing))


def test_references_are_read_for_what_they_name() -> None:
    value = [
        get("Parameters.A"),
        {"deep": join(get("Execution.PipelineExecutionId"), {"x": get("Steps.S.Arn")})},
        json_get("S", "gain.low"),
    ]
    assert list(expressions.references(value)) == [
        Parameter("A"),
        ExecutionVariable("PipelineExecutionId"),
        StepProperty("S", ("Arn",)),
        PropertyFile("S", "Report"),
    ]


def test_expressions_nest() -> None:
    known = Known({Parameter("A"): "runs", Parameter("N"): 3, PropertyFile("S", "Report"): {"gain": [0.1, True]}})
    url = join("s3:/", get("Parameters.A"), join(get("Parameters.N"), json_get("S", "gain[1]"), on="-"), on="/")
    assert expressions.resolved({"Url": [url]}, known) == {"Url": ["s3://runs/3-true"]}
    assert expressions.resolved(json_get("S", join("gain", "[0]")), known) == 0.1


@pytest.mark.parametrize(
    "value",
    [
        get("Parameters"),
        get("Steps.S"),
        get("Elsewhere.A"),
        {"Get": 5},
        {"Std:Join": {"On": ","}},
        {"Std:JsonGet": {"PropertyFile": get("Steps.S.Arn"), "Path": "a"}},
        {"Std:Upper": "a"},
    ],
)
def test_a_malformed_expression_is_refused(value: Any) -> None:
    with pytest.raises(Unresolvable):
        list(expressions.references(value))


@given(st.integers() | st.floats(allow_nan=False), st.integers() | st.floats(allow_nan=False))
def test_comparisons_agree_with_each_other(left: float, right: float) -> None:
    def holds(kind: str) -> bool:
        return conditions.holds(compare(kind, left, right))

    assert holds("GreaterThan") == (not holds("LessThanOrEqualTo"))
    assert holds("LessThan") == (not holds("GreaterThanOrEqualTo"))
    assert holds("Equals") == (holds("LessThanOrEqualTo") and holds("GreaterThanOrEqualTo"))


@given(st.lists(st.booleans(), min_size=1))
def test_conditions_combine(values: list[bool]) -> None:
    each = [compare("Equals", value, right=True) for value in values]
    assert conditions.holds({"Type": "And", "Conditions": each}) == all(values)
    assert conditions.holds({"Type": "Or", "Conditions": each}) == any(values)
    assert conditions.holds({"Type": "Not", "Expression": each[0]}) != values[0]


def test_membership_is_by_equality() -> None:
    assert conditions.holds({"Type": "In", "QueryValue": 1, "Values": ["1", 1.0]})
    assert not conditions.holds({"Type": "In", "QueryValue": 1, "Values": ["1", True]})


@pytest.mark.parametrize(("left", "right"), [(None, 0.1), ("0.2", 0.1), (True, 0), ([1], [0])])
def test_what_has_no_order_is_not_compared(left: Any, right: Any) -> None:
    with pytest.raises(Unresolvable):
        conditions.holds(compare("GreaterThan", left, right))
