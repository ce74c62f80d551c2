"""What preprocessing is to do: `part-0000.jsonl` and so on, a photo a line, as many files as instances may share."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.data.snapshot import SPLITS, Region, Split, as_region
from training.errors import JobFailed


@dataclass(frozen=True, slots=True)
class PlannedPhoto:
    """A line of a part. Sizes and regions are those of the EXIF-upright photo."""

    name: str
    """Of its file in a prepared folder, but for the ending; no other photo of the run has it."""
    url: str
    etag: str
    cached: str
    """The url of the photo scaled down."""
    split: Split
    width_px: int
    height_px: int
    mm_per_px: float | None
    group: str | None
    regions: tuple[Region, ...]


def write_plan(folder: Path, photos: Sequence[PlannedPhoto], parts: int) -> None:
    """Each part gets as many photos as the others, and as many of each split, give or take one."""
    dealt = sorted(photos, key=lambda photo: (SPLITS.index(photo.split), photo.name))
    for part in range(parts):
        lines = (json.dumps(asdict(photo)) + "\n" for photo in dealt[part::parts])
        (folder / f"part-{part:04d}.jsonl").write_text("".join(lines))


def read_plan(folder: Path) -> tuple[PlannedPhoto, ...]:
    """Of all parts in the folder, by name; none if there is no part. Raises JobFailed."""
    photos: list[PlannedPhoto] = []
    for file in sorted(folder.glob("part-*.jsonl")):
        try:
            photos += (_photo(json.loads(line)) for line in file.read_text().splitlines())
        except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise JobFailed(f"{file.name} of the plan can't be read: {error!r}.") from error
    return tuple(sorted(photos, key=lambda photo: photo.name))


def _photo(line: dict[str, Any]) -> PlannedPhoto:
    return PlannedPhoto(**line | {"regions": tuple(as_region(item) for item in line["regions"])})
