"""What a search is to do: made of the training that a run did, so that a trial sees the same photos under the same
settings, but for what is searched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from phenoloop.errors import SettingsInvalid
from sync.pipeline.expressions import Json
from sync.tuning.space import Ranges, Space, as_text, names, ranges

LEAST_TRIAL_S = 20
_FREE = {"time_limit_s", "search_trials", "search_parallel", "search_time_limit_s"}
"""What jobs of one search may differ in."""


@dataclass(frozen=True, slots=True)
class RunTraining:
    """The training of one stage as a run did it, and what it was tested on."""

    run: str
    snapshot: str
    stage: str
    job: Json
    """As SageMaker describes the training job."""
    test_url: str

    @property
    def hyperparameters(self) -> dict[str, str]:
        """Without what SageMaker adds by itself."""
        told: Mapping[str, str] = self.job.get("HyperParameters", {})
        return {name: value for name, value in told.items() if not name.startswith(("sagemaker_", "_"))}

    @property
    def is_spot(self) -> bool:
        return bool(self.job.get("EnableManagedSpotTraining", False))

    def channels(self, *wanted: str) -> list[Json]:
        return [channel for channel in self.job["InputDataConfig"] if channel["ChannelName"] in wanted]


@dataclass(frozen=True, slots=True)
class Effort:
    trials: int
    parallel: int
    time_limit_s: int
    """Of all trials together."""
    instance_type: str = ""
    """The run's if empty."""


@dataclass(frozen=True, slots=True)
class Wanted:
    base: RunTraining
    effort: Effort
    name: str
    ranges: Ranges
    told: Mapping[str, str]
    """Hyperparameters of every trial, where the ranges say nothing else, and the values of now where they do."""

    @property
    def fixed(self) -> dict[str, str]:
        """Those that all trials have in common."""
        searched = names(self.ranges)
        return {name: value for name, value in self.told.items() if name not in searched}

    @property
    def hyperparameters(self) -> dict[str, str]:
        """Of a search's job."""
        return {
            **self.told,
            "search_space": as_text(self.ranges),
            "search_trials": str(self.effort.trials),
            "search_parallel": str(self.effort.parallel),
            "search_time_limit_s": str(self.effort.time_limit_s),
        }


def wanted(
    base: RunTraining,
    space: Space,
    effort: Effort,
    *,
    encoders: Sequence[str] = (),
    changed: Mapping[str, str] | None = None,
    name: str = "",
) -> Wanted:
    """`encoders`, if any, are the ones to choose from; `changed` wins over the run's hyperparameters.

    The default name is that of what is searched, so the same search finds itself again. Trials start from the encoder's
    weights: from the live model only those of the same network could. Raises SettingsInvalid.
    """
    own = {"stages": "both", "warm_start": "false", "time_limit_s": f"{_trial_limit_s(base, effort):.0f}"}
    told = {**base.hyperparameters, **own, **(changed or {})}
    found = ranges(space, told, encoders)
    same = json.dumps([base.run, base.stage, found, {k: v for k, v in told.items() if k not in _FREE}], sort_keys=True)
    return Wanted(
        base, effort, name or f"{base.stage}-{hashlib.sha256(same.encode()).hexdigest()[:8]}", found, told
    )  # fmt: skip


def going_on(search: Wanted, earlier: Mapping[str, str]) -> Wanted:
    """The search as its next job does it; trials get as long as those that the earlier job's hyperparameters gave.

    Raises SettingsInvalid if that one searched something else.
    """
    now = search.hyperparameters
    differing = sorted(name for name in (now.keys() | earlier.keys()) - _FREE if now.get(name) != earlier.get(name))
    if differing:
        raise SettingsInvalid(
            "The search of this name is another one.", cure="Give yours another --name.", differing=differing
        )
    return replace(search, told={**search.told, "time_limit_s": earlier["time_limit_s"]})


def _trial_limit_s(base: RunTraining, effort: Effort) -> float:
    """An equal part of the time, but no more than the run's own training had."""
    shared_s = effort.time_limit_s * effort.parallel / effort.trials
    if shared_s < LEAST_TRIAL_S:
        raise SettingsInvalid(
            "There is no time for so many trials.",
            cure="Raise --time-limit-s or lower --trials.",
            seconds_each=round(shared_s, 1),
        )
    return min(shared_s, float(base.hyperparameters.get("time_limit_s", shared_s)))
