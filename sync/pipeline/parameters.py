"""The pipeline's parameters: what every execution is given, and what may be set, with types, choices and defaults.

Defaults that a search can find are in `configs/training.yaml`, beside this package in a clone and in the wheel alike.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phenoloop.errors import SettingsInvalid
from sync.pipeline.expressions import Json

TRAINING_FILE = Path(__file__).parents[2] / "configs" / "training.yaml"
GIVEN = ("Run", "SnapshotUrl", "CheckpointsUrl", "LiveDetectorUrl", "LiveSegmenterUrl", "LiveManifestUrl")
"""Parameters that every execution is given; the others have defaults. Attempts at one run share `CheckpointsUrl`."""

Value = str | int | float
AUTO = "auto"
"""Of `Stages`: the one that the newest evaluation says is to blame; a run knows which before it starts."""
TYPES = {str: "String", int: "Integer", float: "Float"}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    default: Value
    choices: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        return TYPES[type(self.default)]

    def declared(self) -> Json:
        choices = {"EnumValues": [one for one in self.choices if one != AUTO]} if self.choices else {}
        return {"Name": self.name, "Type": self.type, "DefaultValue": self.default, **choices}

    def read(self, value: Value) -> Value:
        """Raises ValueError if it is not of the parameter's type or choices."""
        kind = type(self.default)
        if kind is not str and not isinstance(value, str | kind | int):
            raise ValueError(f"It is of type {self.type}.")
        try:
            read = kind(value)
        except ValueError as error:
            raise ValueError(f"It is of type {self.type}.") from error
        if self.choices and read not in self.choices:
            raise ValueError(f"It is one of: {', '.join(self.choices)}.")
        return read


FIXED = (
    Parameter("TestData", "snapshot"),
    Parameter("PhotoSidePx", 1600),
    Parameter("BrokenShare", 0.2),
    Parameter("Stages", "both", ("both", AUTO, "detector", "segmenter")),
    Parameter("EncoderWeights", "package"),
    Parameter("Precision", "auto", ("auto", "fp32", "bf16", "fp16")),
    Parameter("Patience", 0),
    Parameter("WarmStart", "true", ("true", "false")),
    Parameter("TimeLimitS", 3600),
    Parameter("Seed", 1),
    Parameter("ProcessingInstanceType", "ml.m5.xlarge"),
    Parameter("ProcessingInstanceCount", 1),
    Parameter("TrainingInstanceType", "ml.c5.2xlarge"),
    Parameter("TrainingInstanceCount", 1),
    Parameter("ReportPhotos", 16),
    Parameter("MinimumTestPhotos", 5),
    Parameter("MinimumGain", 0.0),
    Parameter("Approval", "Approved", ("Approved", "PendingManualApproval")),
)
"""`TestData`: `snapshot`, or the URL of a snapshot whose photos are all for testing. `Patience`: rounds without gain
before a training ends; 0: never. `MinimumTestPhotos`: with objects, photos of one group counting once. `MinimumGain`:
what the lower end of the gain's 95 % interval must exceed. `Approval`: of a chain that is better;
`PendingManualApproval` leaves it to a person.
"""


Augmentation = Literal["none", "light", "field", "shed", "rich"]


class StageDefaults(BaseModel):
    """Hyperparameters of one stage, by the names that the training knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str
    optimizer: str
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    side_px: int = Field(ge=0, multiple_of=32)
    augmentation: Augmentation


class TrainingDefaults(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: StageDefaults
    segmenter: StageDefaults


HYPERPARAMETERS = tuple(StageDefaults.model_fields)
"""Of `configs/training.yaml`, of each stage."""
_CHOICES = {"augmentation": get_args(Augmentation)}


def parameters(file: Path = TRAINING_FILE) -> dict[str, Parameter]:
    """All that have a default, by name. Raises SettingsInvalid."""
    stages = _training_defaults(file).model_dump().items()
    searched = [
        Parameter(name_of(stage, key), value, _CHOICES.get(key, ()))
        for stage, found in stages
        for key, value in found.items()
    ]
    return {parameter.name: parameter for parameter in (*FIXED[:4], *searched, *FIXED[4:])}


def name_of(stage: str, hyperparameter: str) -> str:
    """`DetectorLearningRate` of detector and learning_rate."""
    return stage.capitalize() + "".join(word.capitalize() for word in hyperparameter.split("_"))


def defaults() -> dict[str, Value]:
    """Raises SettingsInvalid."""
    return {name: parameter.default for name, parameter in parameters().items()}


def checked(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values in their types. Raises SettingsInvalid for a name or value that the pipeline does not take."""
    known = parameters()
    found = {}
    for name, value in values.items():
        if name not in known:
            raise SettingsInvalid("The pipeline has no such parameter.", cure=_cure(name, list(known)), name=name)
        try:
            found[name] = known[name].read(value)
        except ValueError as error:
            raise SettingsInvalid("A pipeline parameter is wrong.", cure=str(error), name=name, value=value) from error
    return found


def _cure(name: str, known: list[str]) -> str:
    if name in GIVEN:
        return "Every run gets its own from the loop."
    folded = {one.lower(): one for one in known}
    near = [folded[one] for one in difflib.get_close_matches(name.lower(), folded, n=3)]
    near += [one for one in known if name.lower() in one.lower() and one not in near]
    return f"Do you mean {' or '.join(near[:3])}?" if near else f"There are {', '.join(known)}."


@cache
def _training_defaults(file: Path) -> TrainingDefaults:
    try:
        return TrainingDefaults.model_validate(yaml.safe_load(file.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SettingsInvalid("The training's defaults can't be read.", cure=str(error), file=file) from error
