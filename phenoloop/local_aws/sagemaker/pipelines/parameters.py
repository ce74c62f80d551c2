"""Parameters of a pipeline: declared with a type and perhaps a default, given as text."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_pascal

from phenoloop.local_aws.sagemaker.errors import ValidationException

Value = str | int | float | bool
KINDS: dict[str, tuple[type, ...]] = {"String": (str,), "Integer": (int,), "Float": (int, float), "Boolean": (bool,)}


class Parameter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_pascal)

    name: str
    type: Literal["String", "Integer", "Float", "Boolean"]
    default_value: Value | None = None
    enum_values: list[Value] | None = None

    @model_validator(mode="after")
    def _default_fits(self) -> "Parameter":
        if self.default_value is not None and type(self.default_value) not in KINDS[self.type]:
            raise ValueError(f"the default value of {self.name} is not of type {self.type}")
        return self

    def read(self, text: str) -> Value:
        """Raises ValidationException if `text` is not of the parameter's type or choice."""
        value = text if self.type == "String" else self._read_plain(text)
        if self.enum_values is not None and value not in self.enum_values:
            raise ValidationException(f"Parameter [{self.name}] must be one of {self.enum_values}, not {text!r}.")
        return value

    def _read_plain(self, text: str) -> Value:
        try:
            value = json.loads(text.lower() if self.type == "Boolean" else text)
        except ValueError:
            value = None
        if type(value) not in KINDS[self.type]:
            raise ValidationException(f"Parameter [{self.name}] must be of type {self.type}, unlike {text!r}.")
        return float(value) if self.type == "Float" else value


def values(declared: Iterable[Parameter], given: list[dict[str, str]]) -> dict[str, Value]:
    """What an execution works with. Raises ValidationException for unknown, repeated, missing or wrong values."""
    by_name = {parameter.name: parameter for parameter in declared}
    names = [item["Name"] for item in given]
    unknown = sorted(set(names) - set(by_name))
    if unknown:
        raise ValidationException(f"Unknown parameter(s) {unknown} for the pipeline.")
    if len(set(names)) < len(names):
        raise ValidationException("A parameter is given more than once.")
    texts = {item["Name"]: item["Value"] for item in given}
    found = {n: p.read(texts[n]) if n in texts else p.default_value for n, p in by_name.items()}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise ValidationException(f"Parameter(s) {missing} must be specified: they have no default value.")
    return {name: value for name, value in found.items() if value is not None}


def texts(values: Mapping[str, Any]) -> list[dict[str, str]]:
    """As SageMaker lists them."""
    return [
        {"Name": name, "Value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in values.items()
    ]
