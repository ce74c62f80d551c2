"""`python -m benchmarks.detector --data FOLDER`: the comparison as tables, and as JSON where `--json` says."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.detector.campaign import MODELS, Campaign, default_hyperparameters, figures, trials
from benchmarks.detector.photos import dealt, read_data_set
from benchmarks.detector.report import as_json, print_report
from phenoloop.errors import PhenoloopError
from phenoloop.local_aws.environments import environment_python


def main() -> int:
    asked, console = _asked(), Console(width=140)
    try:
        campaign = _campaign(asked)
        done = trials(campaign, lambda model, fold: console.print(f"Fold {fold}: {model} learns."))
        told = figures(campaign)
    except PhenoloopError as error:
        console.print(str(error), markup=False)
        return 1
    print_report(console, told, done)
    if asked.json:
        about = {"minutes": asked.minutes, "folds": asked.folds, "hyperparameters": campaign.hyperparameters}
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(as_json(about, told, done), indent=2))
    return 0


def _campaign(asked: argparse.Namespace) -> Campaign:
    return Campaign(
        folds=dealt(read_data_set(asked.data), asked.folds),
        only_folds=range(asked.folds) if asked.only_fold is None else [asked.only_fold],
        models=tuple(dict.fromkeys(asked.models)),
        budget_s=60 * asked.minutes,
        hyperparameters=default_hyperparameters() | dict(pair.split("=", 1) for pair in asked.set),
        work=asked.work,
        python=environment_python("training"),
    )


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detector", description="Detectors side by side.")
    parser.add_argument("--data", type=Path, required=True, help="folder with annotations.json (COCO) and images/")
    parser.add_argument("--minutes", type=float, default=12, help="wall time of each training")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--only-fold", type=int, help="of them, counted from 0")
    parser.add_argument(
        "--models", nargs="+", choices=list(MODELS), default=list(MODELS), help="gains are the first one's"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="hyperparameters of ours")
    parser.add_argument("--work", type=Path, default=Path("artifacts/quality"), help="keeps what is done already")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.only_fold is not None and asked.only_fold not in range(asked.folds):
        parser.error(f"--only-fold is from 0 to {asked.folds - 1}")
    if any("=" not in pair for pair in asked.set):
        parser.error("--set is of NAME=VALUE")
    return asked


if __name__ == "__main__":
    sys.exit(main())
