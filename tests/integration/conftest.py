import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenoloop.local_aws.environments import REPOSITORY, environment_python
from tests.integration.containers import Container, running, unpacked


@pytest.fixture(scope="session")
def container_python() -> Path:
    """The container environment's interpreter: `PHENOLOOP_CONTAINER_PYTHON`, else the one a stack would install."""
    given = os.environ.get("PHENOLOOP_CONTAINER_PYTHON")
    return Path(given) if given else environment_python("container")


@pytest.fixture(scope="session")
def training_python() -> Path:
    """The interpreter of training's jobs: `PHENOLOOP_TRAINING_PYTHON`, else the one a stack would install."""
    given = os.environ.get("PHENOLOOP_TRAINING_PYTHON")
    return Path(given) if given else environment_python("training")


@pytest.fixture(scope="session")
def release0(container_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with release 0's archives, ROLE/model.tar.gz."""
    folder = tmp_path_factory.mktemp("release0")
    command = [str(container_python), "-m", "training.contrast.export", "--out", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def detector(container_python: Path, release0: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    yield from _serving(container_python, release0 / "detector" / "model.tar.gz", tmp_path_factory.mktemp("detector"))


@pytest.fixture(scope="session")
def segmenter(container_python: Path, release0: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    yield from _serving(container_python, release0 / "segmenter" / "model.tar.gz", tmp_path_factory.mktemp("segmenter"))


def _serving(python: Path, archive: Path, base: Path) -> Iterator[Container]:
    with running(python, unpacked(archive, base)) as container:
        container.wait_for_ping(200)
        yield container
