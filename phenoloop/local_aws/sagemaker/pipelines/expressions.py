"""Expressions of a pipeline definition: `Get`, `Std:Join`, `Std:JsonGet`, anywhere among a step's arguments.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-properties.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from phenoloop.local_aws.sagemaker.pipelines import paths

FUNCTIONS = ("Get", "Std:Join", "Std:JsonGet")
EXECUTION_VARIABLES = frozenset(
    ("PipelineExecutionId", "PipelineExecutionArn", "PipelineName", "PipelineArn", "StartDateTime", "CurrentDateTime")
)


class Unresolvable(Exception):
    """An expression is malformed, or what it names is not there."""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str


@dataclass(frozen=True, slots=True)
class ExecutionVariable:
    name: str


@dataclass(frozen=True, slots=True)
class StepProperty:
    step: str
    path: paths.Path


@dataclass(frozen=True, slots=True)
class PropertyFile:
    """A JSON file that a step writes."""

    step: str
    name: str


Reference = Parameter | ExecutionVariable | StepProperty | PropertyFile


class Scope(Protocol):
    """Where references lead. Raises Unresolvable."""

    def value(self, reference: Reference) -> Any: ...


def resolved(value: Any, scope: Scope) -> Any:
    """`value` with every expression replaced by what it stands for. Raises Unresolvable."""
    if isinstance(value, list):
        return [resolved(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    function = function_of(value)
    if function is None:
        return {name: resolved(item, scope) for name, item in value.items()}
    content = value[function]
    if function == "Get":
        return scope.value(reference(content))
    if function == "Std:Join":
        separator, values = _join_parts(content)
        return str(resolved(separator, scope)).join(_text(resolved(item, scope)) for item in values)
    file, path = _json_get_parts(content)
    return _looked_up(scope.value(file), str(resolved(path, scope)))


def references(value: Any) -> Iterator[Reference]:
    """All that `value` refers to. Raises Unresolvable."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        function = function_of(value)
        if function is None:
            yield from references(list(value.values()))
        elif function == "Get":
            yield reference(value[function])
        elif function == "Std:Join":
            yield from references(list(_join_parts(value[function])))
        else:
            file, path = _json_get_parts(value[function])
            yield file
            yield from references(path)


def function_of(value: dict[str, Any]) -> str | None:
    """The function that an expression applies; None for a plain structure."""
    if len(value) == 1:
        (name,) = value
        if name in FUNCTIONS:
            return str(name)
        if name.startswith("Std:"):
            raise Unresolvable(f"{name} is not a function that the local SageMaker knows, only {', '.join(FUNCTIONS)}")
    return None


def is_expression(value: Any) -> bool:
    return isinstance(value, dict) and function_of(value) is not None


def reference(text: Any) -> Reference:
    """What `Get` names. Raises Unresolvable."""
    parts = text.split(".", 2) if isinstance(text, str) else []
    match parts:
        case ["Parameters", name]:
            return Parameter(name)
        case ["Execution", name] if name in EXECUTION_VARIABLES:
            return ExecutionVariable(name)
        case ["Steps", step, path] if path.startswith("PropertyFiles."):
            return PropertyFile(step, path.removeprefix("PropertyFiles."))
        case ["Steps", step, path]:
            try:
                return StepProperty(step, paths.parsed(path))
            except paths.NoSuchPath as error:
                raise Unresolvable(f"{text!r} can't be read: {error}") from error
        case _:
            raise Unresolvable(f"{text!r} is no parameter, step property or execution variable")


def _join_parts(content: Any) -> tuple[Any, list[Any]]:
    match content:
        case {"On": separator, "Values": [*values]}:
            return separator, values
        case {"Values": [*values]}:
            return "", values
    raise Unresolvable("Std:Join needs a list of Values, and On")


def _json_get_parts(content: Any) -> tuple[PropertyFile, Any]:
    match content:
        case {"PropertyFile": {"Get": file}, "Path": path}:
            named = reference(file)
            if isinstance(named, PropertyFile):
                return named, path
    raise Unresolvable('Std:JsonGet needs a PropertyFile, {"Get": "Steps.STEP.PropertyFiles.NAME"}, and a Path')


def _looked_up(document: Any, path: str) -> Any:
    try:
        return paths.looked_up(document, paths.parsed(path))
    except paths.NoSuchPath as error:
        raise Unresolvable(f"the property file has nothing at {path!r}: {error}") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
