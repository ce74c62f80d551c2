"""What a search may choose from, in the form that SageMaker's own tuning jobs take: `ParameterRanges`.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ParameterRanges.html. One form for both, so that both
search the same space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from training.errors import JobFailed

Value = str | int | float


class Suggests(Protocol):
    """An Optuna trial."""

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, *, log: bool = ...) -> int: ...
    def suggest_float(self, name: str, low: float, high: float, *, log: bool = ...) -> float: ...


@dataclass(frozen=True, slots=True)
class Choice:
    name: str
    values: tuple[str, ...]

    def read(self, text: str) -> Value:
        return text

    def holds(self, value: Value) -> bool:
        return value in self.values

    def suggested(self, trial: Suggests) -> str:
        return str(trial.suggest_categorical(self.name, self.values))


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends belong to it."""

    name: str
    low: float
    high: float
    is_whole: bool
    is_logarithmic: bool

    def read(self, text: str) -> Value:
        """Raises ValueError."""
        return int(text) if self.is_whole else float(text)

    def holds(self, value: Value) -> bool:
        return self.low <= float(value) <= self.high

    def suggested(self, trial: Suggests) -> str:
        if self.is_whole:
            return str(trial.suggest_int(self.name, int(self.low), int(self.high), log=self.is_logarithmic))
        return repr(trial.suggest_float(self.name, self.low, self.high, log=self.is_logarithmic))


Space = tuple[Choice | Range, ...]


def read_space(ranges: Mapping[str, Any]) -> Space:
    """Raises JobFailed."""
    try:
        choices = [
            Choice(each["Name"], tuple(map(str, each["Values"])))
            for each in ranges.get("CategoricalParameterRanges", [])
        ]
        whole = [_range(each, is_whole=True) for each in ranges.get("IntegerParameterRanges", [])]
        real = [_range(each, is_whole=False) for each in ranges.get("ContinuousParameterRanges", [])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JobFailed(f"The search's space is not SageMaker's ParameterRanges: {error!r}.") from error
    space: Space = (*choices, *whole, *real)
    if not space or not all(choice.values for choice in choices):
        raise JobFailed("The search's space is empty: there is nothing to choose.")
    return space


def _range(each: Mapping[str, Any], *, is_whole: bool) -> Range:
    scaling = each.get("ScalingType", "Linear")
    if scaling not in ("Linear", "Logarithmic"):
        raise ValueError(f"ScalingType is Linear or Logarithmic, not {scaling}")
    found = Range(each["Name"], float(each["MinValue"]), float(each["MaxValue"]), is_whole, scaling == "Logarithmic")
    if not found.low <= found.high or (found.is_logarithmic and found.low <= 0):
        raise ValueError(f"{found.name} can't lie between {found.low} and {found.high}")
    return found
