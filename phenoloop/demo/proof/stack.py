"""A stack of the proof's own, started and stopped as a user would, and its public doors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from phenoloop.demo.proof.steps import StepFailed
from phenoloop.demo.state import DataFolder, Ports
from phenoloop.settings import TrainingSettings

QUICK_POLICY = {
    "PHENOLOOP_RETRAINING__QUIET_S": "15",  # longer than any gap between two saves: a run is of all of them
    "PHENOLOOP_RETRAINING__LONGEST_WAIT_S": "600",
    "PHENOLOOP_RETRAINING__RUNS_A_DAY": "20",
}
"""A person pauses for minutes between corrections, the simulated annotator for a second."""

BIRTH_S = 10.0
START_TIMEOUT_S = 1200.0  # the first start on a machine installs the programs


@dataclass(frozen=True, slots=True)
class Doors:
    """What anyone may use of a running stack."""

    label_studio_url: str
    label_studio_token: str
    project_id: int
    label_config: str
    backend_url: str
    backend_credentials: tuple[str, str]
    bucket: str
    images_prefix: str
    package_group: str
    """Of the chains in the model registry."""
    client: Callable[[str], Any]
    """Makes a boto3 client."""

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> Doors:
        """From what `phenoloop up` wrote down, with the settings that its services run on."""
        settings: Mapping[str, str] = status["settings"]
        label_studio, backend, s3 = status["label_studio"], status["backend"], status["s3"]
        session = boto3.Session(
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            region_name=settings["AWS_REGION"],
        )
        return cls(
            label_studio_url=label_studio["url"],
            label_studio_token=label_studio["token"],
            project_id=int(label_studio["project_id"]),
            label_config=label_studio["label_config"],
            backend_url=backend["url"],
            backend_credentials=(backend["user"], backend["password"]),
            bucket=s3["bucket"],
            images_prefix=s3["images_prefix"],
            package_group=settings.get("PHENOLOOP_TRAINING__PACKAGE_GROUP", TrainingSettings().package_group),
            client=lambda service: session.client(  # type: ignore[call-overload]  # the name is no literal
                service,
                endpoint_url=settings.get(f"AWS_ENDPOINT_URL_{service.upper()}", settings["AWS_ENDPOINT_URL"]),
            ),
        )


class ProofStack:
    """`phenoloop up` and `down` on a folder and free ports of its own. `with` it: it is down at the end, always."""

    def __init__(
        self,
        folder: Path,
        *,
        options: Sequence[str],
        minimum_changes: int,
        parameters: Mapping[str, str | int],
        settings: Mapping[str, str] = QUICK_POLICY,
    ) -> None:
        """`options` are those of `phenoloop up`; `minimum_changes` annotations make a run with these `parameters`."""
        self.folder, self._options = DataFolder(folder), options
        self._settings = {
            **settings,
            "PHENOLOOP_RETRAINING__MINIMUM_CHANGES": str(minimum_changes),
            "PHENOLOOP_TRAINING__PARAMETERS": json.dumps(dict(parameters)),
        }

    def start(self) -> Doors:
        """Raises StepFailed with what it says if it does not start."""
        ports = [word for name, port in _free_ports().items() for word in ("--port", f"{name}={port}")]
        done = self._phenoloop("up", "--detach", *self._options, *ports, timeout_s=START_TIMEOUT_S)
        if done.returncode:
            raise StepFailed("The stack did not start.", says=done.stderr.strip()[-1000:], logs=self.folder.logs)
        return Doors.of(self.folder.read_status())

    def loop(self) -> str:
        """What the loop says it is doing; empty while it says nothing."""
        said = json.loads(self._phenoloop("status", "--json", timeout_s=30).stdout or "{}").get("loop") or {}
        parts = [part.get("text") for part in said.values() if isinstance(part, dict)]
        return "; ".join(str(text) for text in parts if text)

    def stop(self) -> None:
        """Raises StepFailed if something stays."""
        if not self._was_started():
            return
        done = self._phenoloop("down", timeout_s=120)
        if done.returncode:
            raise StepFailed("The stack did not stop.", says=done.stderr.strip()[-500:], data_dir=self.folder.path)

    def _was_started(self) -> bool:
        """A start that was broken off may be about to write down what it is."""
        deadline_s = time.monotonic() + BIRTH_S
        while self.folder.path.exists() and time.monotonic() < deadline_s:
            if (self.folder.path / "status.json").exists():
                return True
            time.sleep(0.2)
        return False

    def _phenoloop(self, *words: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "phenoloop.cli", *words, "--data-dir", str(self.folder.path)]
        try:
            return subprocess.run(
                command,
                env={**os.environ, **self._settings},
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                start_new_session=words[0] == "down",  # a second Ctrl-C must not break off the stop
            )
        except subprocess.TimeoutExpired as error:
            raise StepFailed(f"`phenoloop {words[0]}` did not end.", waited_s=timeout_s) from error


def _free_ports() -> dict[str, int]:
    sockets = {name: socket.socket() for name in Ports.model_fields}
    try:
        for opened in sockets.values():
            opened.bind(("127.0.0.1", 0))
        return {name: int(opened.getsockname()[1]) for name, opened in sockets.items()}
    finally:
        for opened in sockets.values():
            opened.close()
