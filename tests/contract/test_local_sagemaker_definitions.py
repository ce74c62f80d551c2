"""Pipeline definitions that can't work: refused when they come, not when they run."""

import pytest

from tests.contract.sagemaker_pipelines import (
    condition_step,
    create,
    definition,
    fail_step,
    get,
    json_get,
    processing_step,
    training_step,
)
from tests.contract.sagemaker_server import SageMakerServer
from tests.contract.sagemaker_steps import refusal

pytest_plugins = ("tests.contract.sagemaker_fixtures",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no json", "Unable to parse pipeline definition"),
        ('{"Version": "2019-01-01", "Steps": []}', "Version"),
        (definition(), "Steps"),
        (definition({"Name": "T", "Type": "Tuning", "Arguments": {}}), "Type"),
        (definition(processing_step("A"), processing_step("A")), "more than one step is named A"),
        (definition(fail_step("F", get("Parameters.Gone"))), "step F: there is no parameter 'Gone'"),
        (definition(fail_step("F", get("Steps.Gone.Arn"))), "step F: there is no step 'Gone'"),
        (definition(fail_step("F", get("Execution.Gone"))), "step F: 'Execution.Gone' is no"),
        (definition(fail_step("F", {"Std:Sum": [1]})), "Std:Sum is not a function"),
        (definition(processing_step("A"), fail_step("F", json_get("A", "x", "Gone"))), "no property file 'Gone'"),
        (definition(processing_step("A", after=["Gone"])), "depends on 'Gone'"),
        (definition(processing_step("A", after=["B"]), processing_step("B", after=["A"])), "wait for each other"),
        (definition(condition_step("C", {"Type": "Maybe"}, then=[])), "is not a condition"),
        (definition(training_step("T", limit_s=0)), "Step T: 1 validation error"),
        (definition(training_step("T", limit_s=get("Parameters.S")), S=1, T=True).replace("Hyper", "hyper"), "Step T:"),
        (definition(fail_step("F", "x"), Side=64).replace("64", '"x"'), "Side is not of type Integer"),
    ],
    ids=lambda value: value[:30],
)
def test_a_definition_that_can_not_work_is_refused(sagemaker_server: SageMakerServer, text: str, fault: str) -> None:
    code, message = refusal(create, sagemaker=sagemaker_server.control, text=text)
    assert (code, fault in message) == ("ValidationException", True), message
