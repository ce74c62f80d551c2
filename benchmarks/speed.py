"""`python -m benchmarks.speed`: how long a run on many annotated photos takes, from the request to the verdict.

On a stack of its own: generated photos, annotated with their truth. A first, shorter run makes the live chain that the
second one, which is timed, starts from. Both models, evaluation and report included.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from phenoloop.cli.loop import loop_of
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.drawing import truth_result
from phenoloop.demo.proof.generated import SceneSeeds, SceneStudio
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.demo.proof.stack import Doors, ProofStack
from phenoloop.demo.proof.steps import StepFailed
from phenoloop.errors import PhenoloopError
from phenoloop.labelling.config import parse_labelling_config
from sync.executions import ENDED, Execution
from sync.loop import Loop
from sync.runs import Run

MOST_S = 600.0
FIRST_SCENE = 700_000
_POLL_S = 2.0
_PATIENCE_S = 1800.0


def main() -> int:
    asked, console = _asked(), Console(width=120)
    folder = Path(tempfile.mkdtemp(prefix="phenoloop-speed-"))
    seeds = SceneSeeds((), tuple(range(FIRST_SCENE, FIRST_SCENE + asked.photos)), (), judged_on=0)
    stack = ProofStack(
        folder / "stack",
        options=("--images", str(folder / "images")),
        minimum_changes=1_000_000,  # runs are asked for here, not by the loop
        parameters={},
    )
    try:
        with SceneStudio(folder / "photos", seeds) as studio:
            photos = studio.subjects().annotated
        (folder / "images").mkdir()
        for photo in photos:
            shutil.copyfile(photo.path, folder / "images" / photo.name)
        console.print(f"{len(photos)} photos are rendered.")
        told = _measured(stack, photos, asked.first_s, asked.train_s, console)
    except PhenoloopError as error:
        console.print(f"{error} Its folder stays: {folder}.", markup=False)
        return 1
    finally:
        stack.stop()
    _print(console, told)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(told, indent=2))
    shutil.rmtree(folder)
    return int(told["seconds"] > MOST_S)


def _measured(
    stack: ProofStack, photos: Sequence[KnownPhoto], first_s: int, train_s: int, console: Console
) -> dict[str, Any]:
    """Raises StepFailed, and what the stack's services raise."""
    doors = stack.start()
    console.print("The stack is up.")
    _annotate(doors, photos)
    console.print("All photos are annotated.")
    loop = loop_of(stack.folder.path)
    before = loop.live()
    _, first = _run(loop, first_s)
    if first.package_arn is None:
        raise StepFailed("The first run made no chain that is better than release 0.", cure="Give --first-s more.")
    _until(lambda: loop.live() != before, "The first run's chain did not go live.")
    console.print("The first run's chain is live.")
    _correct(doors, photos[0])
    run, execution = _run(loop, train_s)
    return _told(doors, run, execution, loop.runs.evaluation(run) or {})


def _annotate(doors: Doors, photos: Sequence[KnownPhoto]) -> None:
    """Each photo with what is really on it."""
    desk, config = Desk(doors), parse_labelling_config(doors.label_config)
    _until(lambda: len(desk.tasks_by_photo()) >= len(photos), "Not every photo became a task.")
    tasks = desk.tasks_by_photo()
    for photo in photos:
        desk.label_studio.create_annotation(tasks[photo.name], truth_result(photo.objects, config, photo))


def _correct(doors: Doors, photo: KnownPhoto) -> None:
    """One object less: another snapshot, so that no step of the run before answers for the next one's."""
    desk = Desk(doors)
    result = truth_result(photo.objects[1:], parse_labelling_config(doors.label_config), photo)
    desk.label_studio.create_annotation(desk.tasks_by_photo()[photo.name], result)


def _run(loop: Loop, train_s: int) -> tuple[Run, Execution]:
    run, _ = loop.retrain("how long does it take?", by_itself=False, parameters={"TimeLimitS": train_s})
    _until(lambda: loop.runs.status(run) in ENDED, "The run did not end.")
    execution = loop.runs.execution(run)
    if execution is None or execution.status != "Succeeded":
        raise StepFailed("The run failed.", run=run.name, reason=execution and execution.failure_reason)
    return run, execution


def _told(doors: Doors, run: Run, execution: Execution, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    steps = {
        step.name: round((step.ended_at - step.started_at).total_seconds(), 1)
        for step in execution.progress
        if step.started_at and step.ended_at
    }
    ended_at = max(step.ended_at for step in execution.progress if step.ended_at)
    return {
        "photos": run.photos,
        "seconds": round(_between(run.requested_at, ended_at), 1),
        "steps": steps,
        "trainings": {name: _pace(doors, name) for step in execution.progress if "training-job" in (name := step.made)},
        "verdict": evaluation.get("verdict"),
    }


def _pace(doors: Doors, job_arn: str) -> dict[str, float]:
    """The last round's."""
    job = doors.client("sagemaker").describe_training_job(TrainingJobName=job_arn.rpartition("/")[2])
    return {metric["MetricName"]: round(metric["Value"], 4) for metric in job.get("FinalMetricDataList", [])}


def _between(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


def _until(happened: Any, otherwise: str) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not happened():
        if time.monotonic() > deadline_s:
            raise StepFailed(otherwise, waited_s=_PATIENCE_S)
        time.sleep(_POLL_S)


def _print(console: Console, told: Mapping[str, Any]) -> None:
    table = Table("step", "seconds", title=f"A warm-started run on {sum(told['photos'].values())} photos")
    for name, seconds in told["steps"].items():
        table.add_row(name, f"{seconds:.1f}")
    table.add_row("from the request to the verdict", f"{told['seconds']:.1f}")
    console.print(table)
    for name, pace in told["trainings"].items():
        console.print(f"{name.rpartition('/')[2]}: {pace}", markup=False, highlight=False)
    console.print(f"Verdict: {told['verdict']}. At most {MOST_S:.0f} s are wanted.")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="How long a run takes.")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--first-s", type=int, default=300, help="training time of the run before")
    parser.add_argument("--train-s", type=int, default=360, help="training time of the run that is timed")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
