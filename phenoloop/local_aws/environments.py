"""Python environments of the programs whose pins clash with ours: installed once, by uv, beside each other.

Each is described by `infra/environments/NAME.txt` and kept in the user's cache under a name that carries the file's
hash, so a changed file makes a new environment and several data folders share one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from uv import find_uv_bin

from phenoloop.errors import LocalStackError

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIREMENTS = REPOSITORY / "infra" / "environments"
NAMES = ("ministack", "redis", "label-studio", "container", "training")


def environment_python(name: str, *, on_install: Callable[[str], None] = lambda _: None) -> Path:
    """The interpreter of the environment `name`, installed first if it is missing.

    `on_install` hears the name before an installation starts. Raises LocalStackError if uv fails.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    folder = _home() / f"{name}-{_fingerprint(requirements)}"
    python, done = folder / "bin" / "python", folder / ".installed"
    if done.exists():
        return python
    with _locked(_home() / f"{name}.lock"):
        if not done.exists():
            on_install(name)
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--quiet", "--python", sys.executable, str(folder))
            _uv("pip", "install", "--quiet", "--python", str(python), "--requirements", str(requirements))
            done.touch()
    return python


def _home() -> Path:
    home = platformdirs.user_cache_path("phenoloop") / "environments"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _fingerprint(requirements: Path) -> str:
    try:
        text = requirements.read_bytes()
    except OSError as error:
        raise LocalStackError(
            "An environment's requirements are missing.", cure="Run from a clone of the repository.", file=requirements
        ) from error
    return hashlib.sha256(text + sys.version.encode()).hexdigest()[:12]


def _uv(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run([find_uv_bin(), *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalStackError(
            "An environment could not be installed.",
            cure=f"uv says: {done.stderr.strip()[-800:]}",
            command="uv " + " ".join(arguments[:2]),
        )


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
