"""A model served from its archive in a process of its own, by the code that travels with it, as an endpoint serves it.

Two archives may carry different code under the same names; one process can't hold both.
"""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from training.errors import CallRefused, JobFailed


class ArchivedModel:
    """Takes one call at a time. Use it as a context manager; leaving it ends the process."""

    def __init__(self, folder: Path, *, name: str, threads: int) -> None:
        """Start the process on an unpacked archive; the first `invoke` waits until the model is loaded."""
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "training.archives.archive_worker", str(folder), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._loaded = False

    def __enter__(self) -> "ArchivedModel":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def invoke(self, payload: str) -> str:
        """Raises CallRefused if the model's code raises, JobFailed if the model can't be loaded or its process ends."""
        if not self._loaded:
            self._answer()
            self._loaded = True
        with suppress(BrokenPipeError):  # the process has ended, and so says the missing answer
            requests = _open(self._process.stdin)
            requests.write(json.dumps(payload) + "\n")
            requests.flush()
        answer = self._answer()
        if "error" in answer:
            raise CallRefused(f"The {self._name} answers: {answer['error']}")
        return str(answer["reply"])

    def _answer(self) -> dict[str, Any]:
        line = _open(self._process.stdout).readline()
        if not line:
            raise JobFailed(f"The {self._name}'s process ended with status {self._process.wait()}; its log says why.")
        return dict(json.loads(line))


def _open(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise JobFailed("The model's process has no pipe.")
    return stream
