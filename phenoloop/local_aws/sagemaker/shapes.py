"""Requests and replies checked against botocore's model of SageMaker, with the limits that botocore itself skips."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import regex
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from phenoloop.local_aws.sagemaker.errors import InternalFailure, UnknownOperationException, ValidationException

IsOpen = Callable[[Any], bool]


def _nothing(_value: Any) -> bool:
    return False


class Shapes:
    """The input and output shapes of SageMaker's control plane."""

    def __init__(self) -> None:
        self._service = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))
        self._operations = frozenset(self._service.operation_names)

    def check_request(self, operation: str, parameters: dict[str, Any], is_open: IsOpen = _nothing) -> None:
        """Raises UnknownOperationException, or ValidationException in SageMaker's words.

        Values that `is_open` says are still to be filled in may become anything.
        """
        if operation not in self._operations:
            raise UnknownOperationException(f"SageMaker has no operation {operation!r}.")
        shape = self._service.operation_model(operation).input_shape
        found = _faults(parameters, shape, is_open)
        if found:
            noun = "error" if len(found) == 1 else "errors"
            raise ValidationException(f"{len(found)} validation {noun} detected: {'; '.join(found)}")

    def check_reply(self, operation: str, reply: dict[str, Any]) -> None:
        """Raises InternalFailure: a reply of the wrong form is a bug of ours."""
        found = _faults(reply, self._service.operation_model(operation).output_shape)
        if found:
            raise InternalFailure(f"The reply to {operation} is not of the documented form: {'; '.join(found)}")


class _Validator(ParamValidator):
    """Botocore's own, which looks at no open value."""

    def __init__(self, is_open: IsOpen) -> None:
        super().__init__()
        self._is_open = is_open

    def _validate(self, params: Any, shape: Any, errors: Any, name: str) -> None:
        if not self._is_open(params):
            super()._validate(params, shape, errors, name)  # type: ignore[misc]  # private to botocore


def _faults(values: dict[str, Any], shape: Any, is_open: IsOpen = _nothing) -> list[str]:
    if shape is None:
        return [f"Unknown parameter: {name}" for name in values]
    report = _Validator(is_open).validate(values, shape)
    if report.has_errors():
        return str(report.generate_report()).splitlines()
    return list(_violations(values, shape, "", is_open))


def _violations(value: Any, shape: Any, path: str, is_open: IsOpen) -> Iterator[str]:
    """Broken bounds, patterns and enumerations; types and required members are ParamValidator's."""
    if is_open(value):
        return
    for constraint in _broken_constraints(value, shape):
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}"
    match shape.type_name:
        case "structure":
            for name, member in value.items():
                yield from _violations(
                    member, shape.members[name], f"{path}.{_lower_first(name)}".removeprefix("."), is_open
                )
        case "list":
            for index, item in enumerate(value, start=1):
                yield from _violations(item, shape.member, f"{path}.{index}.member", is_open)
        case "map":
            for key, item in value.items():
                yield from _violations(key, shape.key, f"{path}.{key}.key", is_open)
                yield from _violations(item, shape.value, f"{path}.{key}.member", is_open)


def _broken_constraints(value: Any, shape: Any) -> Iterator[str]:
    smallest, largest = shape.metadata.get("min"), shape.metadata.get("max")
    size, noun = (len(value), "length") if isinstance(value, str | bytes | list | dict) else (value, "value")
    if smallest is not None and size < smallest:
        yield f"have {noun} greater than or equal to {smallest}"
    if largest is not None and size > largest:
        yield f"have {noun} less than or equal to {largest}"
    if shape.type_name == "string":
        pattern, allowed = shape.metadata.get("pattern"), shape.metadata.get("enum")
        if pattern and not _compiled(pattern).fullmatch(value):
            yield f"satisfy regular expression pattern: {pattern}"
        if allowed and value not in allowed:
            yield f"satisfy enum value set: [{', '.join(allowed)}]"


@cache
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern)


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]
