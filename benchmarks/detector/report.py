"""What a campaign came to, as tables and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.detector.campaign import Trial

Json = dict[str, Any]
Trials = Mapping[str, Mapping[int, Trial]]


def as_json(asked: Json, figures: Json, trials: Trials) -> Json:
    told = {model: {str(fold): asdict(trial) for fold, trial in folds.items()} for model, folds in trials.items()}
    return {"asked": asked, "figures": figures, "trials": told}


def print_report(console: Console, figures: Json, trials: Trials) -> None:
    for part, told in figures.items():
        if part != "all" and len(figures) == 2:
            continue  # one fold is all
        title = f"{'Together' if part == 'all' else f'Fold {part}'}: {told['photos']} photos, {told['objects']} objects"
        console.print(_precisions(title, told))
    console.print(_costs(trials))


def _precisions(title: str, told: Json) -> Table:
    table = Table(
        "model", "AP50", "95 %", "AP50:95", "AP50, any label", "AP50:95, any label", "the first's gain, 95 %",
        title=title,
    )  # fmt: skip
    for model, values in told["models"].items():
        gain = told["gains"].get(model, {}).get("ap50")
        table.add_row(
            model,
            _number(values["ap50"]),
            _interval(values["intervals"].get("ap50")),
            _number(values["ap"]),
            _number(values["ap50_any_label"]),
            _number(values["ap_any_label"]),
            f"{gain['mean']:+.3f} ({_interval(gain)})" if gain else "",
        )
    return table


def _costs(trials: Trials) -> Table:
    """Means over the folds."""
    table = Table(
        "model", "wall s", "processor s", "epochs", "steps", "test s a photo", title="A training, mean of the folds"
    )
    for model, folds in trials.items():
        courses = [trial.course for trial in folds.values()]
        columns: Sequence[tuple[list[float], str]] = (
            ([course.wall_s for course in courses], ".0f"),
            ([course.cpu_s for course in courses], ".0f"),
            ([course.epochs for course in courses], ".0f"),
            ([course.steps for course in courses], ".0f"),
            ([trial.seconds_per_photo for trial in folds.values()], ".3f"),
        )
        table.add_row(model, *(format(mean(values), form) for values, form in columns))
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(interval: Json | None) -> str:
    return "" if interval is None else f"{interval['low']:.3f} to {interval['high']:.3f}"
