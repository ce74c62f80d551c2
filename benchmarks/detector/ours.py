"""Models that leave a folder with `model.pt` and `model.json`: ours, and the baseline."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.detector.contender import Course, Job, run_program
from benchmarks.detector.finds import Outcome, read_outcome
from phenoloop.local_aws.environments import REPOSITORY

_NEVER = "1000000"
"""Epochs that no budget reaches: the time ends the training."""


class Ours:
    """The training job by SageMaker's file contract."""

    def made_with(self, job: Job) -> Mapping[str, str]:
        return _hyperparameters(job) | {"code": _hash_of(*sorted((REPOSITORY / "training").rglob("*.py")))}

    def train(self, job: Job) -> Course:
        config = job.base / "input/config/hyperparameters.json"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps(_hyperparameters(job)))
        channel = job.base / "input/data/train"
        channel.parent.mkdir(parents=True)
        channel.symlink_to(job.train.resolve())
        command = [str(job.python), "-W", "ignore", "-m", "training", "train"]
        places = {"SAGEMAKER_BASE_DIR": str(job.base.resolve()), "TRAINING_JOB_NAME": "benchmark"}
        cost = run_program(command, job, "train.log", places)
        last = json.loads((job.base / "model/history.jsonl").read_text().splitlines()[-1])
        return Course(float(last["epoch"]), int(last["step"]), cost.wall_s, cost.cpu_s)

    def test(self, job: Job) -> Outcome:
        return _tested_module(job)


class Baseline:
    def made_with(self, job: Job) -> Mapping[str, str]:  # noqa: ARG002  # as all contenders
        sources = ("benchmarks/detector/baseline.py", "training/learning/encoders.py", "training/learning/depthwise.py")
        return {"code": _hash_of(*(REPOSITORY / name for name in sources))}

    def train(self, job: Job) -> Course:
        end_s = time.monotonic() + job.budget_s  # all processes of a machine share that clock
        command = [str(job.python), "-m", "benchmarks.detector.baseline", str(job.train), str(job.base), str(end_s)]
        cost = run_program(command, job, "train.log", {})
        about = json.loads((job.base / "model/model.json").read_text())
        return Course(about["epochs"], about["steps"], cost.wall_s, cost.cpu_s)

    def test(self, job: Job) -> Outcome:
        return _tested_module(job)


def _hyperparameters(job: Job) -> dict[str, str]:
    return {
        **job.hyperparameters,
        "stage": "detector",
        "epochs": _NEVER,
        "time_limit_s": str(job.budget_s),
        "warm_start": "false",
    }


def _tested_module(job: Job) -> Outcome:
    file = job.base / "module.json"
    command = [str(job.python), "-W", "ignore", "-m", "benchmarks.detector.module", str(job.base / "model")]
    run_program([*command, str(job.test), str(file)], job, "test.log", {})
    return read_outcome(file)


def _hash_of(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
