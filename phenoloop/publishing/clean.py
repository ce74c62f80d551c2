"""The module where nothing else is: an environment of its wheel and what that needs, and the platform's calls there."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loc360.conformance import Breach, Report, Rule
from loc360.conformance.platform import Invoke
from phenoloop.errors import ModuleRefused
from phenoloop.publishing.content import MODULE
from phenoloop.publishing.uv import uv

TIMEOUT_S = 1800.0


def checked(wheels: Sequence[Path], photos: Sequence[Path], invoke: Invoke, *, module: str = MODULE) -> Report:
    """What `python -m loc360.conformance` finds in a new environment of these wheels (the first is ours).

    It asks us for what the models say, by `invoke(model, payload)`; what that raises is raised.
    Raises ModuleNotBuilt, ModuleRefused (it could not be driven at all).
    """
    with tempfile.TemporaryDirectory(prefix="loc360-clean-") as folder:
        environment = Path(folder) / "environment"
        python = environment / "bin" / "python"
        uv("venv", "--python", sys.executable, str(environment))
        uv("pip", "install", "--python", str(python), *(str(wheel.resolve()) for wheel in wheels))
        command = [str(python), "-I", "-m", "loc360.conformance", module, *(str(photo.resolve()) for photo in photos)]
        return _conversation(command, Path(folder), invoke)


def _conversation(command: list[str], folder: Path, invoke: Invoke) -> Report:
    errors = folder / "errors.txt"
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}  # no credentials of ours
    environment = {**kept, "TMPDIR": str(folder)}
    with errors.open("w") as said, subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, cwd=folder, env=environment
    ) as process:  # fmt: skip
        limit = threading.Timer(TIMEOUT_S, process.kill)
        limit.start()
        try:
            report = _report(process, invoke)
        finally:
            limit.cancel()
            process.kill()  # it has said all, or there is nobody to answer it
    if report is None:
        last_line = errors.read_text(errors="replace").strip().rpartition("\n")[2]
        raise ModuleRefused("The module can't be driven in a clean environment.", reason=last_line)
    return report


def _report(process: "subprocess.Popen[str]", invoke: Invoke) -> Report | None:
    """Answers for the models until the report comes; None if the process ends without one."""
    if process.stdin is None or process.stdout is None:
        return None
    for line in process.stdout:
        message = json.loads(line)
        if "breaches" in message:
            return _read(message)
        process.stdin.write(json.dumps({"reply": invoke(message["model"], message["payload"])}) + "\n")
        process.stdin.flush()
    return None


def _read(message: dict[str, Any]) -> Report:
    breaches = tuple(Breach(**{**breach, "rule": Rule(breach["rule"])}) for breach in message["breaches"])
    return Report(breaches, tuple(map(Rule, message["unchecked"])))
