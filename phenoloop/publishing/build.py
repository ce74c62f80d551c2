"""A release's module as files to hand on: a wheel to install, a zip of the folder to import."""

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from phenoloop.chain.release import Release
from phenoloop.publishing.content import MODULE, Files, module_files, version_of
from phenoloop.publishing.uv import uv

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can hold: the same release gives the same bytes whenever it is built."""


@dataclass(frozen=True, slots=True)
class Built:
    wheel: Path
    archive: Path
    """The zip."""


def build(release: Release, folder: Path) -> Built:
    """Into the folder, which is made. Raises ModuleRefused (other code), ModuleNotBuilt."""
    files = module_files(release)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{MODULE}-{version_of(release)}"
    with tempfile.TemporaryDirectory(prefix="loc360-build-") as tree:
        written(files, Path(tree))
        # uv carries this build backend, so nothing is fetched
        uv("build", "--offline", "--wheel", "--no-create-gitignore", "--out-dir", str(folder.resolve()), tree)
    archive = folder / f"{name}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path, content in files.items():
            if path.startswith(f"{MODULE}/"):
                opened.writestr(zipfile.ZipInfo(path, _LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return Built(wheel=folder / f"{name}-py3-none-any.whl", archive=archive)


def written(files: Files, folder: Path) -> None:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
