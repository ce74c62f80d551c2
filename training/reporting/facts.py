"""All that the report and the model card are made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from training.data.dataset import LabelledPhoto
from training.errors import JobFailed
from training.evaluation.chain_files import ChainFiles
from training.evaluation.chain_run import ChainRun
from training.evaluation.comparison import Comparison
from training.evaluation.parts import Parts
from training.job import ProcessingFolders

if TYPE_CHECKING:
    from training.evaluation.explanations import Explanations

DATA_INPUTS = ("fetch-report", "preprocess-report")
_WORST_SHARE = 0.7

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluated:
    photos: Sequence[LabelledPhoto]
    runs: Mapping[str, ChainRun]
    """By chain: candidate, live."""
    files: Mapping[str, ChainFiles]
    """By chain."""
    summary: Json
    """`evaluation.json`."""


@dataclass(frozen=True, slots=True)
class Facts:
    run: str
    snapshot_url: str
    evaluated: Evaluated
    data: Mapping[str, Json] = field(default_factory=dict)
    """What the jobs that prepared the photos reported, by file name."""
    shown: Sequence[int] = ()
    """Which photos the report shows, the worst first."""
    explanations: "Explanations | None" = None
    parts: Parts = field(default_factory=Parts)


def read_data(folders: ProcessingFolders) -> dict[str, Json]:
    """The reports of fetching and preprocessing, as far as they are given. Raises JobFailed if one can't be read."""
    files = [file for name in DATA_INPUTS for file in sorted(folders.input(name).rglob("*.json"))]
    try:
        return {file.stem: dict(json.loads(file.read_text())) for file in files}
    except (OSError, ValueError, TypeError) as error:
        raise JobFailed(f"A report of the photos' preparation can't be read: {error}.") from error


def notable(photos: Sequence[Comparison], most: int) -> list[int]:
    """Which photos tell the most, the worst first: mostly the worst, and some of the best."""
    order = sorted((index for index, photo in enumerate(photos) if _tells(photo)), key=lambda i: _fit(photos[i]))
    if len(order) <= most:
        return order
    worst = round(most * _WORST_SHARE)
    return order[:worst] + order[len(order) - (most - worst) :]


def _tells(photo: Comparison) -> bool:
    return bool(photo.overlaps.size or photo.found)


def _fit(photo: Comparison) -> float:
    """How well what is there and what is found cover each other, at most 1; a wrong label covers nothing."""
    return (float(photo.overlaps.sum()) - photo.wrong_label) / (len(photo.overlaps) + photo.extra)
