"""One call of the module, and what it came to: here, or in a process of its own that is watched."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

PREPROCESS, PROCESS = "sagemaker_preprocess", "process"
CALL_TIMEOUT_S = 120.0

_SLIPS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RecursionError, TypeError,
          UnicodeError, json.JSONDecodeError)  # fmt: skip
"""What a program raises where it meant to raise nothing."""
_LONGEST_MESSAGE = 300


class Ending(StrEnum):
    RETURNED = "returned"
    OTHER = "returned something else than it should"
    REFUSED = "raised one clear exception"
    SLIPPED = "raised what tells nobody what to do"
    LOST = "did not come back"


@dataclass(frozen=True, slots=True)
class Outcome:
    function: str
    ending: Ending
    text: str = ""
    """If it returned: the payload, or the result as JSON."""
    words: str = ""
    """If not: what came instead."""
    changed_metadata: bool = False
    touched: tuple[str, ...] = ()
    """What it wrote, started or connected to."""

    @property
    def returned(self) -> bool:
        return self.ending is Ending.RETURNED

    def __str__(self) -> str:
        return f"that it {self.ending}{f' ({self.words})' if self.words else ''}"


Call = Callable[[str, str, Mapping[str, Any]], Outcome]
"""Function, photo, metadata."""


def here(module: ModuleType) -> Call:
    """Calls in this process, which remembers what the module keeps."""
    return lambda function, photo, metadata: observed(module, function, photo, metadata)


def in_fresh_process(module: str, folder: Path) -> Call:
    """Calls in a new process each, in `folder`, which is its working, temporary and home folder."""

    def call(function: str, photo: str, metadata: Mapping[str, Any]) -> Outcome:
        before = _files(folder)
        outcome = _asked(module, function, photo, metadata, folder)
        changed = {name for name, _ in before.items() ^ _files(folder).items()}
        return replace(outcome, touched=(*outcome.touched, *sorted(f"changes {name}" for name in changed)))

    return call


def observed(module: ModuleType, function: str, photo: str, metadata: Mapping[str, Any]) -> Outcome:
    given = copy.deepcopy(metadata)
    try:
        value = getattr(module, function)(photo, metadata)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a stranger's module raises
        is_slip = isinstance(error, (*_SLIPS, SystemExit)) or not str(error).strip()
        outcome = Outcome(function, Ending.SLIPPED if is_slip else Ending.REFUSED, words=_shown(error))
    else:
        outcome = _payload(value) if function == PREPROCESS else _result(value)
    return replace(outcome, changed_metadata=metadata != given)


def _payload(value: object) -> Outcome:
    if isinstance(value, str):
        return Outcome(PREPROCESS, Ending.RETURNED, text=value)
    return Outcome(PREPROCESS, Ending.OTHER, words=f"a {type(value).__name__}")


def _result(value: object) -> Outcome:
    if not isinstance(value, dict):
        return Outcome(PROCESS, Ending.OTHER, words=f"a {type(value).__name__}")
    try:
        return Outcome(PROCESS, Ending.RETURNED, text=json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        return Outcome(PROCESS, Ending.OTHER, words=f"a dictionary that is no JSON: {error}")


def _asked(module: str, function: str, photo: str, metadata: Mapping[str, Any], folder: Path) -> Outcome:
    command = [sys.executable, "-B", "-m", "loc360.conformance.fresh", module, function, photo]
    places = {name: str(folder) for name in ("HOME", "TMPDIR")}
    environment = {**os.environ, **places, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, input=json.dumps(metadata), capture_output=True, text=True, check=False, cwd=folder,
            env=environment, timeout=CALL_TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome(function, Ending.LOST, words=f"after {CALL_TIMEOUT_S:.0f} s")
    if done.returncode:
        last_line = done.stderr.strip().rpartition("\n")[2]
        return Outcome(function, Ending.LOST, words=f"status {done.returncode}, {last_line[:_LONGEST_MESSAGE]}")
    return outcome_from(done.stdout)


def outcome_from(text: str) -> Outcome:
    values = json.loads(text)
    return Outcome(**{**values, "ending": Ending(values["ending"]), "touched": tuple(values["touched"])})


def outcome_text(outcome: Outcome) -> str:
    return json.dumps(asdict(outcome))


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> size and time of what lies in the folder."""
    found = ((file, file.lstat()) for file in folder.rglob("*"))
    return {
        str(file.relative_to(folder)): (0, 0) if file.is_dir() else (stat.st_size, stat.st_mtime_ns)
        for file, stat in found
    }


def _shown(error: BaseException) -> str:
    text = " ".join(str(error).encode(errors="backslashreplace").decode().split())
    return f"{type(error).__name__}: {text[:_LONGEST_MESSAGE]}"
