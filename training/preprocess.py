"""`python3 -m training.preprocess --snapshot s3://BUCKET/snapshots/NAME.json`: photos and truth, ready to learn from.

Outputs (folders of `training.dataset`): `train` and `validation` hold upright JPEGs no larger than `--side-px`, `test`
the original files, since the whole chain is to run on them; `report/preprocess.json` what there is and what was left
out.
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
from botocore.config import Config

from training.dataset import write_photos
from training.errors import JobFailed
from training.job import ProcessingFolders, run_to_exit
from training.preparation import LeftOut, Prepared, prepared
from training.snapshot import SPLITS, AnnotatedPhoto, Snapshot, Split, read_snapshot

SIDE_PX = 1600
BROKEN_LIMIT = 0.2
"""Above this share of unusable photos something else is wrong than photos."""

_THREADS = 8
_ATTEMPTS = 8
"""With pauses of up to 20 s, so a throttling S3 has a minute or two."""
_NAMED = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshot", required=True, help="s3://BUCKET/snapshots/NAME.json")
    parser.add_argument("--side-px", type=int, default=SIDE_PX, help="long side of the photos to learn from")
    asked = parser.parse_args()
    run_to_exit(
        ProcessingFolders.read(os.environ),
        lambda folders: preprocess(_s3(), asked.snapshot, folders, side_px=asked.side_px),
    )


def preprocess(s3: Any, snapshot_url: str, folders: ProcessingFolders, *, side_px: int = SIDE_PX) -> None:
    """Read the snapshot, fetch its photos, write the outputs.

    Raises SnapshotInvalid, and JobFailed if over 20 % of the photos are broken, none is left to learn from or S3
    does not answer.
    """
    if side_px < 1:
        raise JobFailed(f"--side-px must be above 0: {side_px}.")
    snapshot = read_snapshot(s3, snapshot_url)
    outcomes = _prepare(s3, snapshot, folders, side_px)
    photos = {
        split: [item for item in outcomes if isinstance(item, Prepared) and item.split == split] for split in SPLITS
    }
    left_out = [item for item in outcomes if isinstance(item, LeftOut)]
    report = _report(snapshot, photos, left_out)
    (folders.output("report") / "preprocess.json").write_text(json.dumps(report, indent=1))
    if len(broken := [item for item in left_out if item.broken]) > BROKEN_LIMIT * len(outcomes):
        named = "; ".join(f"{item.photo}: {item.reason}" for item in broken[:_NAMED])
        raise JobFailed(f"{len(broken)} of the snapshot's {len(outcomes)} photos can't be used. {named}")
    if not photos["train"]:
        raise JobFailed("The snapshot has no photo to learn from: annotate more.")
    for split, items in photos.items():
        write_photos(folders.output(split), [item.photo for item in items], snapshot.labels)


def _s3() -> Any:
    patient = Config(max_pool_connections=_THREADS, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
    return boto3.client("s3", config=patient)


def _prepare(s3: Any, snapshot: Snapshot, folders: ProcessingFolders, side_px: int) -> list[Prepared | LeftOut]:
    """In the snapshot's order."""
    stems = _stems(snapshot.photos)
    targets = [folders.output(photo.split) / stem for photo, stem in zip(snapshot.photos, stems, strict=True)]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(partial(prepared, s3, side_px=side_px), snapshot.photos, targets))


def _stems(photos: Sequence[AnnotatedPhoto]) -> list[str]:
    """0001, 0002, ... within each split."""
    seen: Counter[Split] = Counter()
    stems = []
    for photo in photos:
        seen[photo.split] += 1
        stems.append(f"{seen[photo.split]:04d}")
    return stems


def _report(snapshot: Snapshot, photos: dict[Split, list[Prepared]], left_out: Sequence[LeftOut]) -> dict[str, Any]:
    usable = [item for items in photos.values() for item in items]
    return {
        "snapshot": snapshot.name,
        "labels": list(snapshot.labels),
        "photos": {split: len(items) for split, items in photos.items()},
        "regions": {split: _count(items, masks_only=False) for split, items in photos.items()},
        "masks": {split: _count(items, masks_only=True) for split, items in photos.items()},
        "key_points": sum(item.key_points for item in usable),
        "outside": sum(item.outside for item in usable),
        "left_out": [{"photo": item.photo, "reason": item.reason} for item in left_out],
    }


def _count(items: Sequence[Prepared], *, masks_only: bool) -> int:
    return sum(thing.mask is not None or not masks_only for item in items for thing in item.photo.objects)


if __name__ == "__main__":
    main()
