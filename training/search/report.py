"""What a search has found so far, for people and programs: `search.json`, TensorBoard's HParams, a line a trial.

`search.json`: stage, trials_wanted, space, `training` (what every trial is told otherwise), `trials` (number, state,
values, validation, rounds, seconds, reason), `current` and `best` (trial numbers, or null), `importance` (of each
hyperparameter, of the trials that came to their end: PED-ANOVA, Watanabe et al., IJCAI 2023), `state` and `test`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from training.search.settings import SearchSettings

LEAST_FOR_IMPORTANCE = 4
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def write_report(
    file: Path, settings: SearchSettings, study: optuna.Study, state: str, test: Mapping[str, Any] | None = None
) -> None:
    """`state`: searching, stopped or done. As a whole or not at all."""
    trials = study.get_trials(deepcopy=False)
    current, best = current_trial(trials), best_trial(trials)
    found = {
        "stage": settings.stage,
        "state": state,
        "trials_wanted": settings.trials,
        "space": {part.name: _told(part) for part in settings.space},
        "training": dict(settings.training),
        "trials": [described(trial) for trial in trials],
        "current": current and current.number,
        "best": best and best.number,
        "importance": _importance(study, trials),
        "test": test,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    being_written = file.with_suffix(".tmp")
    being_written.write_text(json.dumps(found, indent=1, allow_nan=False))
    being_written.replace(file)


def described(trial: FrozenTrial) -> dict[str, Any]:
    values = trial.intermediate_values.values()
    return {
        "number": trial.number,
        "state": "interrupted" if is_interrupted(trial) else _STATES.get(trial.state, "failed"),
        "values": trial.params,
        "validation": trial.value if trial.state == TrialState.COMPLETE else max(values, default=None),
        "rounds": len(values),
        "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else None,
        "reason": trial.user_attrs.get("reason", ""),
    }


def is_interrupted(trial: FrozenTrial) -> bool:
    """Neither it nor its values are to blame."""
    return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs


def is_over(trial: FrozenTrial) -> bool:
    return trial.state.is_finished() and not is_interrupted(trial)


def current_trial(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The one with the values that the training has now, if it came to its end."""
    return next((trial for trial in trials if "current" in trial.user_attrs and is_complete(trial)), None)


def best_trial(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """Of equals the first: what is now stays unless something is better."""
    return max(filter(is_complete, trials), key=lambda trial: trial.value or 0.0, default=None)


def is_complete(trial: FrozenTrial) -> bool:
    return bool(trial.state == TrialState.COMPLETE)


def write_hparams(folder: Path, trial: FrozenTrial) -> None:
    """Into the trial's own run, so that its curves stand beside its line of the table."""
    from torch.utils.tensorboard import SummaryWriter  # seconds to load
    from torch.utils.tensorboard.summary import hparams

    metrics = {"search/validation": described(trial)["validation"] or 0.0}
    with SummaryWriter(log_dir=str(folder)) as writer:
        for summary in hparams(dict(trial.params), metrics):
            writer.file_writer.add_summary(summary)
        writer.add_scalar("search/validation", metrics["search/validation"])


def say(trial: FrozenTrial, best: FrozenTrial | None) -> None:
    """The search's line of progress, which its job's metrics are read from."""
    about = described(trial)
    line = {name: about[name] for name in ("number", "state", "validation", "seconds", "reason")}
    print(json.dumps(line | {"best": best and best.value}), flush=True)  # noqa: T201  # a job's log is its standard output


def _importance(study: optuna.Study, trials: list[FrozenTrial]) -> dict[str, float]:
    """Empty if too few trials tell."""
    complete = [trial for trial in trials if is_complete(trial)]
    if len(complete) < LEAST_FOR_IMPORTANCE or len({trial.value for trial in complete}) < 2:
        return {}
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {name: round(float(share), 4) for name, share in found.items()}


def _told(part: Any) -> Any:
    return {name: getattr(part, name) for name in part.__slots__ if name != "name"}
