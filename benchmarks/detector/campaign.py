"""Every model on every fold, one after the other; what is done is kept, so that a broken-off campaign goes on."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.detector.contender import Contender, Course, Job, ProgramFailed
from benchmarks.detector.finds import write_outcome
from benchmarks.detector.ours import Baseline, Ours
from benchmarks.detector.photos import prepare_fold, split
from benchmarks.detector.yolo import Yolo
from phenoloop.local_aws.environments import REPOSITORY
from training.data.dataset import LabelledPhoto

MODELS: Mapping[str, Contender] = {"ours": Ours(), "yolo": Yolo(), "baseline": Baseline()}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Campaign:
    folds: Sequence[Sequence[LabelledPhoto]]
    only_folds: Sequence[int]
    models: Sequence[str]
    budget_s: float
    hyperparameters: Mapping[str, str]
    work: Path
    python: Path
    """Of the training environment."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One model on one fold."""

    course: Course
    seconds_per_photo: float


def default_hyperparameters() -> dict[str, str]:
    """What a run's detector learns with."""
    stages = yaml.safe_load((REPOSITORY / "configs/training.yaml").read_text())
    return {name: str(value) for name, value in stages["detector"].items()}


def trials(campaign: Campaign, on_start: Callable[[str, int], None]) -> dict[str, dict[int, Trial]]:
    """By model and fold; `on_start` hears of those that are not kept from before. Raises ProgramFailed."""
    done: dict[str, dict[int, Trial]] = {model: {} for model in campaign.models}
    for fold in campaign.only_folds:
        prepare_fold(_folder(campaign, fold), campaign.folds, fold)
        for model in campaign.models:
            done[model][fold] = _kept(campaign, model, fold) or _made(campaign, model, fold, on_start)
    return done


def figures(campaign: Campaign) -> Json:
    """By fold, and of `all`: see `benchmarks.detector.figures`. Raises ProgramFailed."""
    asked = {
        str(fold): {
            "test": str(_folder(campaign, fold) / "test"),
            "tested": {model: str(_folder(campaign, fold) / model / "tested.json") for model in campaign.models},
        }
        for fold in campaign.only_folds
    }
    command = [str(campaign.python), "-m", "benchmarks.detector.figures"]
    said = subprocess.run(command, cwd=REPOSITORY, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if said.returncode:
        raise ProgramFailed("The figures can't be told.", cure=said.stderr.strip()[-600:])
    told: Json = json.loads(said.stdout)
    return told


def _made(campaign: Campaign, model: str, fold: int, on_start: Callable[[str, int], None]) -> Trial:
    on_start(model, fold)
    job, contender = _job(campaign, model, fold), MODELS[model]
    shutil.rmtree(job.base, ignore_errors=True)
    job.base.mkdir(parents=True)
    made_with = _made_with(campaign, model, fold)  # of the code as it is now
    course = contender.train(job)
    tested = contender.test(job)
    write_outcome(job.base / "tested.json", tested)
    trial = Trial(course, tested.seconds_per_photo)
    (job.base / "trial.json").write_text(json.dumps({"made_with": made_with} | asdict(trial)))
    return trial


def _kept(campaign: Campaign, model: str, fold: int) -> Trial | None:
    """From before, if it was made with the same."""
    file = _folder(campaign, fold) / model / "trial.json"
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    if stored["made_with"] != _made_with(campaign, model, fold):
        return None
    return Trial(Course(**stored["course"]), stored["seconds_per_photo"])


def _made_with(campaign: Campaign, model: str, fold: int) -> dict[str, str]:
    photos = {
        name: [(photo.source, photo.group, [(thing.label, thing.box_px) for thing in photo.objects]) for photo in part]
        for name, part in split(campaign.folds, fold).items()
    }
    about = {"photos": hashlib.sha256(json.dumps(photos).encode()).hexdigest(), "budget_s": str(campaign.budget_s)}
    return about | dict(MODELS[model].made_with(_job(campaign, model, fold)))


def _job(campaign: Campaign, model: str, fold: int) -> Job:
    folder = _folder(campaign, fold)
    return Job(
        folder / model, folder / "train", folder / "test", campaign.budget_s, campaign.python, campaign.hyperparameters
    )


def _folder(campaign: Campaign, fold: int) -> Path:
    return campaign.work.resolve() / f"fold-{fold}"
