"""What a training can be told, as SageMaker hands it over: a flat object of strings."""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from training.errors import JobFailed

STAGES = ("detector", "segmenter")
CHOICES = {
    "stage": STAGES,
    "stages": ("both", *STAGES),
    "augmentation": ("none", "light", "field", "shed", "rich"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
}


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    stage: str
    """detector or segmenter."""
    stages: str = "both"
    """Which the run trains: both, detector or segmenter. A stage that is not named keeps the live model."""
    encoder: str = "tf_efficientnet_lite0"
    """Any of timm's convolutional networks that give features at strides 2 to 32."""
    encoder_weights: str = "package"
    """What the encoder starts from: `package`, `hub`, `file:PATH` or `none`; see `training.learning.encoders`."""
    warm_start: bool = True
    """Whether all weights start from the live model's, if that is of the same network. Half the learning rate then."""
    optimizer: str = "adamw"
    """Any of timm's."""
    learning_rate: float = 0.005
    """Highest of the schedule, for what is new; the encoder gets a fifth of it."""
    weight_decay: float = 0.01
    """Of what is neither a bias nor part of a norm."""
    batch_size: int = 4
    """Photos (detector) or objects (segmenter) a step and process."""
    epochs: int = 60
    """Passes over the training photos, at most: `time_limit_s` may end them earlier."""
    patience: int = 0
    """Rounds without gain on the validation photos before the training ends early; 0: never."""
    time_limit_s: float = 600.0
    """From the start of the process to the finished model, interruptions left out. The schedule fits itself into it."""
    side_px: int = 0
    """Long side of what the network sees, a multiple of 32; 0: what fits the stage."""
    augmentation: str = "rich"
    """Policy by which training photos change their look: see `training.looks.augmentations`."""
    precision: str = "auto"
    """Of the computation: fp32, bf16, fp16, or auto, the quickest that the machine is made for."""
    seed: int = 0
    snapshot: str = ""
    """URL of the snapshot that the photos are of; told in `model.json`."""
    version: str = ""
    """How the model calls itself; the training job's name if empty."""


def read_hyperparameters(values: Mapping[str, str]) -> Hyperparameters:
    """Raises JobFailed if one is unknown or not of its type."""
    known = {field.name: field for field in fields(Hyperparameters)}
    unknown = sorted(name for name in values if name not in known and not name.startswith(("sagemaker_", "_")))
    if unknown:
        raise JobFailed(f"Unknown hyperparameters {unknown}; there are {sorted(known)}.")
    given = {name: _parsed(field, values[name]) for name, field in known.items() if name in values}
    for name, choices in CHOICES.items():
        if given.get(name, known[name].default) not in choices:
            raise JobFailed(f"The hyperparameter {name} is one of {choices}, not {given.get(name)!r}.")
    settings = Hyperparameters(**given)
    for name in ("epochs", "batch_size", "learning_rate", "time_limit_s"):
        if not getattr(settings, name) > 0:
            raise JobFailed(f"The hyperparameter {name} must be above 0.")
    for name in ("weight_decay", "patience", "seed"):
        if not getattr(settings, name) >= 0:
            raise JobFailed(f"The hyperparameter {name} must be 0 or above.")
    if settings.side_px % 32 or settings.side_px < 0:
        raise JobFailed("The hyperparameter side_px must be a multiple of 32.")
    return settings


def _parsed(field: "Field[Any]", text: str) -> Any:
    text = text.strip().strip('"')  # SageMaker's own SDK sends strings as JSON
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str, "bool": _truth}
    try:
        return kinds[getattr(field.type, "__name__", str(field.type))](text)
    except ValueError as error:
        raise JobFailed(f"The hyperparameter {field.name} is not of its type: {text!r}.") from error


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"
