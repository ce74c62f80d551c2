"""Containers without Docker: an image is a Python environment, a container a process of it."""

import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phenoloop.local_aws.processes import parent_death_preparation

DEFAULT_MODULE = "serving"
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

    def command(self, image: str) -> list[str]:
        """Raises UnknownImage."""
        python, module = self._program(image)
        return [str(python), "-m", module]

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


class Launcher:
    """Starts serving containers."""

    def __init__(self, images: Images, inherited: Mapping[str, str], working_directory: Path) -> None:
        self._images = images
        self._inherited = inherited
        self._working_directory = working_directory
        self._preparation = parent_death_preparation()

    def start(
        self, image: str, environment: Mapping[str, str], *, base_dir: Path, port: int, log: Path
    ) -> subprocess.Popen[bytes]:
        """A process group of its own that serves `base_dir`/model on a loopback port.

        It gets SIGTERM when the calling thread ends, so that thread has to outlive it. Raises UnknownImage, OSError.
        """
        serving = {
            "SAGEMAKER_BASE_DIR": str(base_dir),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SERVING_HOST": "127.0.0.1",  # a real container listens on all of its own interfaces
        }
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return subprocess.Popen(
                self._images.command(image),
                cwd=self._working_directory,
                env=self._images.environment(image, self._inherited) | dict(environment) | serving,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._preparation,  # one system call, looked up beforehand
            )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
