"""What a detector finds on photos, and the file that keeps it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loc360.wire import Box


@dataclass(frozen=True, slots=True)
class Find:
    label: str
    box_px: Box
    """Pixels of the whole photo."""
    score: float


@dataclass(frozen=True, slots=True)
class Outcome:
    finds: Mapping[str, Sequence[Find]]
    """By the photo's source, also of those where nothing is found."""
    seconds_per_photo: float
    """From the decoded photo to its boxes, on the machine that trained."""


def write_outcome(file: Path, tested: Outcome) -> None:
    file.write_text(json.dumps(asdict(tested)))


def read_outcome(file: Path) -> Outcome:
    stored = json.loads(file.read_text())
    finds = {
        photo: tuple(Find(item["label"], Box(*item["box_px"]), item["score"]) for item in items)
        for photo, items in stored["finds"].items()
    }
    return Outcome(finds, stored["seconds_per_photo"])
