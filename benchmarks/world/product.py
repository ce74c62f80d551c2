"""The backend itself, on a world: built from settings as its programs build it."""

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.world.world import World
from ml_backend.__main__ import answer_promptly
from ml_backend.bootstrap import build_backend
from ml_backend.model import PhenoloopModel, phenoloop_model
from phenoloop.logs import configure_logs
from phenoloop.settings import read_settings

MASKS = Path(__file__).parents[2] / "configs" / "labelling" / "masks.xml"


@contextmanager
def product(world: World, **variables: str) -> Iterator[PhenoloopModel]:
    """The model behind `/predict`, with an empty cache of its own. `variables` are added to the world's environment."""
    with tempfile.TemporaryDirectory() as folder:
        cache = {"PHENOLOOP_CHAIN__CACHE_FOLDER": str(Path(folder) / "cache")}
        os.environ.update(world.environment | cache | variables)
        configure_logs(level=logging.ERROR)
        model = phenoloop_model(build_backend(read_settings()))()
        answer_promptly()
        yield model


def tasks(uris: Sequence[str]) -> list[dict[str, Any]]:
    """As Label Studio sends them."""
    return [{"id": number, "project": 1, "data": {"image": uri}} for number, uri in enumerate(uris, start=1)]


def predict(model: PhenoloopModel, uris: Sequence[str]) -> list[Any]:
    return model.predict(tasks(uris), label_config=MASKS.read_text())
