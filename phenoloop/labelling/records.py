"""What Label Studio keeps, as far as the loop needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class Project:
    id: int
    title: str
    label_config: str
    model_version: str
    """Whose predictions the project shows: a version, or the title of a connected backend."""


@dataclass(frozen=True, slots=True)
class Task:
    id: int
    data: dict[str, Any]
    """As imported: URIs are not resolved."""


class SavedAnnotation(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    updated_at: AwareDatetime
    was_cancelled: bool
    ground_truth: bool
    parent_prediction: int | None = None
    """Id of the prediction that it was made from, as long as that is there."""


@dataclass(frozen=True, slots=True)
class SavedAnnotations:
    task_id: int
    annotations: tuple[SavedAnnotation, ...]
    """Skipped ones too."""


@dataclass(frozen=True, slots=True)
class SavedPrediction:
    id: int
    model_version: str


@dataclass(frozen=True, slots=True)
class SavedPredictions:
    task_id: int
    is_open: bool
    """Nobody annotated or skipped the task yet."""
    predictions: tuple[SavedPrediction, ...]

    def has(self, *versions: str) -> bool:
        """One of any of these versions."""
        return any(prediction.model_version in versions for prediction in self.predictions)


def project_of(values: Mapping[str, Any]) -> Project:
    return Project(
        id=int(values["id"]),
        title=str(values["title"]),
        label_config=str(values["label_config"]),
        model_version=str(values.get("model_version") or ""),
    )
