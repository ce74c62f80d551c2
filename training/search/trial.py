"""One trial: the very training that the pipeline runs, in a process and an /opt/ml of its own."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from loc360.errors import Loc360Error
from training.places import Places
from training.search.folders import SearchFolders, trial_name

GRACE_S = 20.0
"""For a training that is told to end; its model is not wanted."""
MachineShare = Mapping[str, str]
"""Environment variables that keep a trial to its part of the machine."""


class TrialFailed(Loc360Error):
    """The training failed; the search goes on with other values."""


class TrialInterrupted(Loc360Error):
    """The search was told to end. The trial is done again by whoever takes the search up."""


@dataclass(slots=True)
class UnderWay:
    """The trials under way. They end with the search: at SIGTERM, sent by SageMaker two minutes before it kills."""

    stopped: bool = False
    _processes: dict[int, "subprocess.Popen[str]"] = field(default_factory=dict)

    @classmethod
    def until_sigterm(cls) -> "UnderWay":
        under_way = cls()
        signal.signal(signal.SIGTERM, lambda *_: under_way.stop())
        return under_way

    def stop(self) -> None:
        self.stopped = True
        for process in tuple(self._processes.values()):
            end(process)

    @contextmanager
    def holding(self, process: "subprocess.Popen[str]") -> Iterator[None]:
        self._processes[process.pid] = process
        try:
            if self.stopped:
                end(process)
            yield
        finally:
            del self._processes[process.pid]


class Shares:
    """The machine dealt out to so many trials at once: threads to all, and if there are enough, a GPU to each."""

    def __init__(self, parallel: int, threads: int, gpus: int) -> None:
        self._free: queue.SimpleQueue[MachineShare] = queue.SimpleQueue()
        for number in range(parallel):
            one = {"CUDA_VISIBLE_DEVICES": str(number % gpus)} if gpus > 1 and parallel > 1 else {}
            self._free.put({"OMP_NUM_THREADS": str(max(1, threads // parallel)), **one})

    @contextmanager
    def one(self) -> Iterator[MachineShare]:
        share = self._free.get()
        try:
            yield share
        finally:
            self._free.put(share)


def prepare(folders: SearchFolders, number: int, hyperparameters: Mapping[str, str]) -> Places:
    """What SageMaker would lay out for the trial. The channels are the search's own."""
    own, trial = folders.places, folders.trial(number)
    shutil.rmtree(trial.base, ignore_errors=True)
    trial.hyperparameters.parent.mkdir(parents=True)
    trial.hyperparameters.write_text(json.dumps(dict(hyperparameters)))
    if own.resources.exists():
        trial.resources.symlink_to(own.resources)
    for channel in ("train", "validation"):
        trial.channel(channel).parent.mkdir(parents=True, exist_ok=True)
        trial.channel(channel).symlink_to(own.channel(channel))
    for folder in (folders.events(number), trial.tensorboard.parent):
        folder.mkdir(parents=True, exist_ok=True)
    trial.tensorboard.symlink_to(folders.events(number))
    return trial


def started(trial: Places, number: int, environment: Mapping[str, str], share: MachineShare) -> "subprocess.Popen[str]":
    variables = {**environment, **share, "SAGEMAKER_BASE_DIR": str(trial.base), "TRAINING_JOB_NAME": trial_name(number)}
    command = [sys.executable, "-m", "training", "train"]
    return subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def rounds(process: "subprocess.Popen[str]") -> Iterator[tuple[int, float]]:
    """Each round of the training that was measured, as it ends: its number and the validation quality."""
    number = 0
    for line in _output(process):
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict) or "validation" not in said:
            print(line, end="", file=sys.stderr, flush=True)  # noqa: T201  # for the job's log
            continue
        number += 1
        if said["validation"] is not None:
            yield number, float(said["validation"])


def end(process: "subprocess.Popen[str]") -> None:
    """SIGTERM, later SIGKILL."""
    if process.poll() is None:
        process.terminate()
        killing = threading.Timer(GRACE_S, process.kill)
        killing.daemon = True
        killing.start()


def ended(process: "subprocess.Popen[str]", trial: Places) -> float | None:
    """Wait for it; the validation quality of the model that it made, if it says one.

    Raises TrialFailed with the training's own reason.
    """
    _output(process).read()
    if process.wait():
        reason = trial.base / "output/failure"
        raise TrialFailed(reason.read_text() if reason.is_file() else f"The training ended with {process.returncode}.")
    about = trial.model / "model.json"
    quality = json.loads(about.read_text()).get("validation", {}).get("quality") if about.is_file() else None
    return None if quality is None else float(quality)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _output(process: "subprocess.Popen[str]") -> IO[str]:
    if process.stdout is None:
        raise TrialFailed("The training has no pipe.")
    return process.stdout
