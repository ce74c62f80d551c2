"""The Lambdas' archives: each under a name that stands for what it is made of."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from phenoloop.aws.template import INFRA
from phenoloop.errors import DeploymentFailed

LAMBDAS = INFRA / "lambdas"
REQUIREMENTS = LAMBDAS / "libraries" / "requirements.txt"
OURS = ("loc360", "phenoloop", "phenoloop/chain")
"""The packages that the prediction Lambda imports, each without those below it."""
LIMIT_BYTES = 250 * 1024 * 1024
"""Most that a function and its layers may take, unpacked."""
PYTHON, PLATFORM = "3.12", "x86_64-manylinux_2_28"
"""Of the functions: Amazon Linux 2023, whose glibc is 2.34."""
OF_NO_USE = ("tests", "__pycache__", "bin")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same content makes the same archive


@dataclass(frozen=True, slots=True)
class Package:
    build: Callable[[], bytes]
    made_of: Callable[[], bytes]

    @property
    def key(self) -> str:
        return f"lambdas/{hashlib.sha256(self.made_of()).hexdigest()}.zip"


def approval() -> bytes:
    return archive({"approval.py": LAMBDAS / "approval" / "approval.py"})


def predictions() -> bytes:
    """The handler, with what it imports of ours."""
    root = INFRA.parent
    ours = [file for package in OURS for file in (root / package).glob("*.py")]
    handler = {"predictions.py": LAMBDAS / "predictions" / "predictions.py"}
    return archive(handler | {str(file.relative_to(root)): file for file in ours})


def libraries() -> bytes:
    """A layer of what is pinned, for Lambda's platform whatever this machine's is. Raises DeploymentFailed."""
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder)
        _install(layer / "python")
        for name in OF_NO_USE:
            for found in list(layer.rglob(name)):
                shutil.rmtree(found, ignore_errors=True)
        files = {str(file.relative_to(layer)): file for file in layer.rglob("*") if file.is_file()}
        size_bytes = sum(file.stat().st_size for file in files.values())
        if size_bytes > LIMIT_BYTES:
            cure = "Pin fewer or smaller ones in infra/lambdas/libraries, or deploy with PredictionApi=none."
            raise DeploymentFailed("The libraries are too large for Lambda.", cure=cure, bytes=size_bytes)
        return archive(files)


PACKAGES: Mapping[str, Package] = {
    "lambdas/approval": Package(approval, approval),
    "lambdas/predictions": Package(predictions, predictions),
    "lambdas/libraries": Package(libraries, lambda: f"{PYTHON} {PLATFORM} {REQUIREMENTS.read_text()}".encode()),
}
"""By the folder that the template names."""


def archive(files: Mapping[str, Path]) -> bytes:
    """A zip of the files under their names: the same bytes whenever it is made of the same."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name in sorted(files):
            about = zipfile.ZipInfo(name, LONG_AGO)
            about.external_attr, about.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            made.writestr(about, files[name].read_bytes())
    return buffer.getvalue()


def _install(folder: Path) -> None:
    where = ("--target", str(folder), "--python-platform", PLATFORM, "--python-version", PYTHON)
    what = ("--only-binary", ":all:", "--no-deps", "--requirements", str(REQUIREMENTS))
    command = [find_uv_bin(), "pip", "install", "--quiet", *where, *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip()[-600:]
        raise DeploymentFailed("The Lambda's libraries could not be installed.", cure=f"uv says: {said}")
