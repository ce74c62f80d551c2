"""What a search is told: the training's own hyperparameters, and among them four of the search."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from training.errors import JobFailed
from training.search.space import Space, Value, read_space

STAGES = ("detector", "segmenter")
OWN = "search_"


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Hyperparameters `search_space` (SageMaker's ParameterRanges as JSON), `search_trials`, `search_parallel` (1) and
    `search_time_limit_s`, after which no trial begins.
    """

    training: Mapping[str, str]
    """What every trial is told, where the space says nothing else."""
    space: Space
    trials: int
    parallel: int
    time_limit_s: float
    current: Mapping[str, Value]
    """What the training is told now of all that is searched; empty if the space does not hold it."""

    @property
    def stage(self) -> str:
        return self.training["stage"]

    @property
    def seed(self) -> int:
        return int(self.training.get("seed", 0))


def read_settings(values: Mapping[str, str]) -> SearchSettings:
    """Raises JobFailed."""
    texts = {name: value.strip().strip('"') if name != f"{OWN}space" else value for name, value in values.items()}
    training = {name: value for name, value in texts.items() if not name.startswith((OWN, "sagemaker_"))}
    if training.get("stage") not in STAGES:
        raise JobFailed(f"The hyperparameter stage is one of {STAGES}, not {training.get('stage')!r}.")
    try:
        space = read_space(json.loads(texts[f"{OWN}space"]))
        settings = SearchSettings(
            training,
            space,
            trials=int(texts[f"{OWN}trials"]),
            parallel=int(texts.get(f"{OWN}parallel", "1")),
            time_limit_s=float(texts[f"{OWN}time_limit_s"]),
            current=_current(space, training),
        )
    except (KeyError, ValueError) as error:
        raise JobFailed(f"A hyperparameter of the search is missing or can't be read: {error!r}.") from error
    if min(settings.trials, settings.parallel) < 1 or not settings.time_limit_s > 0:
        raise JobFailed("search_trials, search_parallel and search_time_limit_s must be above 0.")
    return settings


def _current(space: Space, training: Mapping[str, str]) -> Mapping[str, Value]:
    """Raises ValueError."""
    if any(part.name not in training for part in space):
        return {}
    told = {part.name: part.read(training[part.name]) for part in space}
    return told if all(part.holds(told[part.name]) for part in space) else {}
