"""Containers without Docker: an image is a Python environment, a container a process of it."""

import os
import re
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phenoloop.local_aws.processes import parent_death_preparation

DEFAULT_MODULE = "serving"
PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.\d+)?)?")
JOB_NICENESS = 10
"""Endpoints stay quick while jobs compute."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
# ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG, NAME@DIGEST or just NAME
IMAGE_URI = re.compile(r"(?:[^/]+[.:][^/]*/)?(?P<name>[^:@]+)(?:[:@].+)?")


class UnknownImage(Exception):
    """No environment is mapped to the image's name."""


@dataclass(frozen=True, slots=True)
class Images:
    """Which program stands in for an image, by the image's name without registry and tag."""

    commands: Mapping[str, tuple[Path, str]]
    """Name -> (Python interpreter, module)."""

    @classmethod
    def parse(cls, mappings: list[str]) -> "Images":
        """From `NAME=PYTHON` or `NAME=PYTHON:MODULE`; the module is `serving` if not given.

        Raises ValueError.
        """
        commands = {}
        for mapping in mappings:
            name, equals, program = mapping.partition("=")
            python, _, module = program.partition(":")
            if not (name and equals and python):
                raise ValueError(f"not NAME=PYTHON[:MODULE]: {mapping!r}")
            commands[name] = (Path(python), module or DEFAULT_MODULE)
        return cls(commands)

    def command(self, image: str, entrypoint: Sequence[str] = (), arguments: Sequence[str] = ()) -> list[str]:
        """What the container runs: `entrypoint`, or the image's own. Its `python3` is the image's Python.

        Raises UnknownImage.
        """
        python, module = self._program(image)
        if not entrypoint:
            return [str(python), "-m", module, *arguments]
        first = str(python) if PYTHON.fullmatch(entrypoint[0]) else entrypoint[0]
        return [first, *entrypoint[1:], *arguments]

    def environment(self, image: str, inherited: Mapping[str, str]) -> dict[str, str]:
        """What a container knows of the host: a few basics and how to reach AWS; its own Python comes first."""
        python, _ = self._program(image)
        kept = {name: v for name, v in inherited.items() if name in KEPT_VARIABLES or name.startswith("AWS_")}
        path = ":".join(filter(None, (str(python.parent), kept.get("PATH"))))
        return {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"} | kept | {"PATH": path}

    def _program(self, image: str) -> tuple[Path, str]:
        parts = IMAGE_URI.fullmatch(image)
        name = parts["name"] if parts else image
        if name not in self.commands:
            raise UnknownImage(f"The local SageMaker has no container {name!r}, only: {sorted(self.commands)}.")
        return self.commands[name]


@dataclass(frozen=True, slots=True)
class JobProgram:
    """What a job runs."""

    image: str
    entrypoint: Sequence[str]
    """Empty: the image's own."""
    arguments: Sequence[str]
    environment: Mapping[str, str]


class Launcher:
    """Starts containers, each a process group of its own.

    A container gets SIGTERM when the thread that started it ends, so that thread has to outlive it.
    """

    def __init__(self, images: Images, inherited: Mapping[str, str], working_directory: Path) -> None:
        self._images = images
        self._inherited = inherited
        self._working_directory = working_directory
        self._preparation = parent_death_preparation()

    def start(
        self, image: str, environment: Mapping[str, str], *, base_dir: Path, port: int, log: Path
    ) -> subprocess.Popen[bytes]:
        """One that serves `base_dir`/model on a loopback port. Raises UnknownImage, OSError."""
        serving = {
            "SAGEMAKER_BASE_DIR": str(base_dir),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SERVING_HOST": "127.0.0.1",  # a real container listens on all of its own interfaces
        }
        variables = self._images.environment(image, self._inherited) | dict(environment) | serving
        return self._spawn(self._images.command(image), variables, log, self._preparation)

    def start_job(self, program: JobProgram, *, base_dir: Path, threads: int, log: Path) -> subprocess.Popen[bytes]:
        """One that works on the files under `base_dir`, at a lower priority. Raises UnknownImage, OSError."""
        command = self._images.command(program.image, program.entrypoint, program.arguments)
        variables = (
            self._images.environment(program.image, self._inherited)
            | {"OMP_NUM_THREADS": str(threads)}
            | dict(program.environment)
            | {"SAGEMAKER_BASE_DIR": str(base_dir)}
        )
        return self._spawn(command, variables, log, _nicely(self._preparation))

    def _spawn(
        self, command: list[str], variables: Mapping[str, str], log: Path, preparation: Callable[[], None] | None
    ) -> subprocess.Popen[bytes]:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self._working_directory,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=preparation,  # system calls only, looked up beforehand
            )


def _nicely(preparation: Callable[[], None] | None) -> Callable[[], None]:
    def prepare() -> None:
        os.nice(JOB_NICENESS)
        if preparation:
            preparation()

    return prepare


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
