"""What a search may choose from: `configs/search.yaml` as the ParameterRanges of SageMaker's tuning jobs and of ours.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ParameterRanges.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from phenoloop.errors import SettingsInvalid

SEARCH_FILE = Path(__file__).parents[2] / "configs" / "search.yaml"
Ranges = dict[str, list[dict[str, Any]]]
"""SageMaker's ParameterRanges."""


class Range(BaseModel):
    """Both ends belong to it. Whole numbers if both are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int | float
    high: int | float
    logarithmic: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.low >= self.high or (self.logarithmic and self.low <= 0):
            raise ValueError("low must be below high, and above 0 if the range is logarithmic")
        return self

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def with_value(self, text: str) -> Range:
        """Wide enough to hold it, if that can be."""
        value = int(text) if self.is_whole else float(text)
        if self.logarithmic and value <= 0:
            return self
        return self.model_copy(update={"low": min(self.low, value), "high": max(self.high, value)})

    def told(self, name: str) -> dict[str, Any]:
        scaling = "Logarithmic" if self.logarithmic else "Linear"
        return {"Name": name, "MinValue": str(self.low), "MaxValue": str(self.high), "ScalingType": scaling}


Choices = Annotated[list[str | int | float], Field(min_length=1, max_length=30)]
Space = dict[str, Choices | Range]


def read_space(stage: str, file: Path = SEARCH_FILE) -> Space:
    """Raises SettingsInvalid."""
    try:
        stages = TypeAdapter(dict[str, Space]).validate_python(yaml.safe_load(file.read_text()))
        return stages[stage]
    except (OSError, yaml.YAMLError, ValidationError, KeyError) as error:
        raise SettingsInvalid("What to search can't be read.", cure=str(error), file=file, stage=stage) from error


def ranges(space: Space, current: Mapping[str, str], encoders: Sequence[str] = ()) -> Ranges:
    """With the values of now among them. `encoders`, if any, are the only other ones. Raises SettingsInvalid."""
    if unknown := sorted(space.keys() - current.keys()):
        raise SettingsInvalid(
            "The training has no such hyperparameter.", cure=f"There are {sorted(current)}.", names=unknown
        )
    space = {**space, "encoder": list(encoders)} if encoders else space
    found: Ranges = {}
    for name, part in space.items():
        kind, told = _told(name, part, current[name])
        found.setdefault(kind, []).append(told)
    return found


def names(found: Ranges) -> set[str]:
    return {part["Name"] for parts in found.values() for part in parts}


def as_text(found: Ranges) -> str:
    """As a hyperparameter of ours. Raises SettingsInvalid if it is longer than SageMaker takes one."""
    text = json.dumps(found, separators=(",", ":"))
    if len(text) > 2500:
        raise SettingsInvalid("The search has too many choices.", cure="Leave some out.", characters=len(text))
    return text


def _told(name: str, part: Choices | Range, value: str) -> tuple[str, dict[str, Any]]:
    if isinstance(part, Range):
        kind = "IntegerParameterRanges" if part.is_whole else "ContinuousParameterRanges"
        try:
            return kind, part.with_value(value).told(name)
        except ValueError as error:
            raise SettingsInvalid("The run's value is no number.", name=name, value=value) from error
    return "CategoricalParameterRanges", {"Name": name, "Values": [*dict.fromkeys([value, *map(str, part)])]}
