"""A pipeline definition (JSON, schema 2020-12-01), read and checked.

https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

import json
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from phenoloop.local_aws.sagemaker.errors import ValidationException
from phenoloop.local_aws.sagemaker.pipelines import conditions, expressions
from phenoloop.local_aws.sagemaker.pipelines.caching import CacheConfig
from phenoloop.local_aws.sagemaker.pipelines.expressions import Unresolvable
from phenoloop.local_aws.sagemaker.pipelines.parameters import Parameter
from phenoloop.local_aws.sagemaker.pipelines.retries import RetryPolicy

STEP_NAME = r"^[A-Za-z0-9\-_]{1,64}$"
StepType = Literal["Processing", "Training", "Condition", "RegisterModel", "Fail"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal)


class PropertyFile(_Part):
    property_file_name: str
    output_name: str
    file_path: str


class Step(_Part):
    name: Annotated[str, Field(pattern=STEP_NAME)]
    type: StepType
    arguments: dict[str, Any]
    depends_on: tuple[str, ...] = ()
    property_files: tuple[PropertyFile, ...] = ()
    display_name: str = ""
    description: str = ""
    cache_config: CacheConfig | None = None
    retry_policies: tuple[RetryPolicy, ...] = ()

    branch: Annotated[tuple[str, bool] | None, Field(exclude=True, alias="__branch__")] = None
    """The Condition step that this one is nested in, and the outcome for which it runs."""

    @property
    def own_arguments(self) -> dict[str, Any]:
        """Without the steps nested in a Condition."""
        return {name: value for name, value in self.arguments.items() if name not in ("IfSteps", "ElseSteps")}

    @property
    def after(self) -> frozenset[str]:
        """The steps that must have ended well before this one starts."""
        among = expressions.references(self.own_arguments)
        named = {r.step for r in among if isinstance(r, expressions.StepProperty | expressions.PropertyFile)}
        return frozenset({*named, *self.depends_on, *([self.branch[0]] if self.branch else [])})


class Definition(BaseModel):
    """With nested steps laid flat."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal)

    version: Literal["2020-12-01"]
    parameters: tuple[Parameter, ...] = ()
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)


def parsed(text: str) -> Definition:
    """Raises ValidationException that says what is wrong where."""
    try:
        document = json.loads(text)
        read = Definition.model_validate(document)
        definition = read.model_copy(update={"steps": tuple(_flat(read.steps))})
        _check(definition)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise _refusal("; ".join(faults)) from error
    except (ValueError, Unresolvable) as error:
        raise _refusal(str(error)) from error
    return definition


def _flat(steps: Iterable[Step], branch: tuple[str, bool] | None = None) -> Iterator[Step]:
    for step in steps:
        yield step.model_copy(update={"branch": branch})
        if step.type == "Condition":
            for member, outcome in (("IfSteps", True), ("ElseSteps", False)):
                nested = [Step.model_validate(one) for one in step.arguments.get(member) or []]
                yield from _flat(nested, (step.name, outcome))


def _check(definition: Definition) -> None:
    _check_unique("parameter", [parameter.name for parameter in definition.parameters])
    _check_unique("step", [step.name for step in definition.steps])
    for step in definition.steps:
        try:
            _check_step(step, definition)
        except Unresolvable as error:
            raise Unresolvable(f"step {step.name}: {error}") from error
    try:
        TopologicalSorter({step.name: step.after for step in definition.steps}).prepare()
    except CycleError as error:
        raise Unresolvable(f"steps wait for each other: {' -> '.join(error.args[1])}") from error


def _check_step(step: Step, definition: Definition) -> None:
    steps = {known.name: known for known in definition.steps}
    if step.type == "Condition":
        inner = step.arguments.get("Conditions")
        if not isinstance(inner, list) or not inner:
            raise Unresolvable("a Condition step needs Conditions")
        for condition in inner:
            conditions.check(condition)
        if step.branch is not None:
            raise Unresolvable("a Condition step can't be nested in another")
    if step.type == "Fail" and "ErrorMessage" not in step.arguments:
        raise Unresolvable("a Fail step needs an ErrorMessage")
    for name in step.depends_on:
        if name not in steps:
            raise Unresolvable(f"depends on {name!r}, which is not a step")
    for reference in expressions.references(step.own_arguments):
        _check_reference(reference, steps, {parameter.name for parameter in definition.parameters})


def _check_reference(reference: expressions.Reference, steps: dict[str, Step], parameters: set[str]) -> None:
    match reference:
        case expressions.Parameter(name) if name not in parameters:
            raise Unresolvable(f"there is no parameter {name!r}")
        case expressions.StepProperty(name, _) | expressions.PropertyFile(name, _) if name not in steps:
            raise Unresolvable(f"there is no step {name!r}")
        case expressions.PropertyFile(step, name):
            if name not in [file.property_file_name for file in steps[step].property_files]:
                raise Unresolvable(f"step {step} has no property file {name!r}")


def _check_unique(noun: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Unresolvable(f"more than one {noun} is named {', '.join(twice)}")


def _refusal(fault: str) -> ValidationException:
    return ValidationException(f"Unable to parse pipeline definition. {fault}")
