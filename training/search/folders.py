"""Where a search leaves things, beside SageMaker's places of a training job: a place for each trial."""

from dataclasses import dataclass
from pathlib import Path

from training.places import Places


@dataclass(frozen=True, slots=True)
class SearchFolders:
    places: Places
    """Of the search's own job."""

    @property
    def output(self) -> Path:
        return self.places.base / "output/data"

    def trial(self, number: int) -> Places:
        """Gone when the trial has ended."""
        return Places(self.places.base / "trials" / trial_name(number))

    def kept_model(self, number: int) -> Path:
        """Among the checkpoints: a trial's model that may yet be what the search ends with."""
        return self.places.checkpoints / "models" / trial_name(number)

    def events(self, number: int) -> Path:
        """TensorBoard's, of one trial."""
        return self.places.tensorboard / trial_name(number)


def trial_name(number: int) -> str:
    return f"trial-{number:03d}"
