"""What a training can be told, as SageMaker hands it over: a flat object of strings."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from training.errors import JobFailed

STAGES = ("detector", "segmenter")


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    stage: str
    """detector or segmenter."""
    encoder: str = "tf_efficientnet_lite0"
    """Any of timm's convolutional networks that give features at strides 2 to 32."""
    encoder_weights: str = "package"
    """What the encoder starts from: `package`, `hub`, `file:PATH` or `none`; see `training.encoders`."""
    epochs: int = 60
    """Passes over the training photos, at most: `time_limit_s` may end them earlier."""
    batch_size: int = 4
    """Photos (detector) or objects (segmenter) a step."""
    learning_rate: float = 0.005
    """Highest of the schedule, for what is new; the encoder gets a fifth of it."""
    time_limit_s: float = 600.0
    """From the start of the process to the finished model. The schedule fits itself into it."""
    seed: int = 0
    side_px: int = 0
    """Long side of what the network sees, a multiple of 32; 0: 384 for the detector, 224 for the segmenter."""
    version: str = ""
    """How the model calls itself; the training job's name if empty."""


def read_hyperparameters(values: Mapping[str, str]) -> Hyperparameters:
    """Raises JobFailed if one is unknown or not of its type."""
    known = {field.name: field for field in fields(Hyperparameters)}
    unknown = sorted(name for name in values if name not in known and not name.startswith("sagemaker_"))
    if unknown:
        raise JobFailed(f"Unknown hyperparameters {unknown}; there are {sorted(known)}.")
    given = {name: _parsed(field, values[name]) for name, field in known.items() if name in values}
    if given.get("stage") not in STAGES:
        raise JobFailed(f"The hyperparameter stage is one of {STAGES}, not {given.get('stage')!r}.")
    settings = Hyperparameters(**given)
    for name in ("epochs", "batch_size", "learning_rate", "time_limit_s"):
        if not getattr(settings, name) > 0:
            raise JobFailed(f"The hyperparameter {name} must be above 0.")
    if settings.side_px % 32 or settings.side_px < 0:
        raise JobFailed("The hyperparameter side_px must be a multiple of 32.")
    return settings


def _parsed(field: "Field[Any]", text: str) -> Any:
    text = text.strip().strip('"')  # SageMaker's own SDK sends strings as JSON
    try:
        return {"int": int, "float": float, "str": str}[getattr(field.type, "__name__", str(field.type))](text)
    except ValueError as error:
        raise JobFailed(f"The hyperparameter {field.name} is not of its type: {text!r}.") from error
