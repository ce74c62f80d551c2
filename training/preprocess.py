"""`python3 -m training.preprocess`: an instance's share of the photos and their truth, ready to learn from.

Inputs: `plan` (of `training.fetch`; this instance's parts of it) and `labels`. Outputs (folders of
`training.data.dataset`): `train` and `validation` hold upright JPEGs no larger than `--side-px`, `test` the original
files, since the whole chain is to run on them; `report/preprocess-HOST.json` what there is and what was left out.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from loc360.photo import photo_size
from training.data.dataset import LabelledPhoto, read_labels, scaled, write_photos
from training.data.objects import downloaded, patient_client
from training.data.photo_cache import jpeg, scaled_photo
from training.data.plan import PlannedPhoto, read_plan
from training.data.preparation import LeftOut, Unusable, labelled
from training.data.snapshot import SPLITS, Split
from training.errors import JobFailed, ObjectMissing
from training.job import ProcessingFolders, run_to_exit

SIDE_PX = 1600
_THREADS = 8


@dataclass(frozen=True, slots=True)
class Prepared:
    photo: LabelledPhoto
    split: Split
    lost: int
    """Objects of which less than a pixel is left at the photo's size."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side-px", type=int, default=SIDE_PX, help="as fetch was told")
    asked = parser.parse_args()
    run_to_exit(
        ProcessingFolders.read(os.environ),
        lambda folders: preprocess(patient_client(_THREADS), folders, side_px=asked.side_px),
    )


def preprocess(s3: Any, folders: ProcessingFolders, *, side_px: int = SIDE_PX) -> None:
    """Write the outputs; an instance without a part writes empty ones.

    Raises DatasetInvalid (no labels), and JobFailed if the plan can't be read or S3 does not answer.
    """
    if side_px < 1:
        raise JobFailed(f"--side-px must be above 0: {side_px}.")
    planned, labels, host = read_plan(folders.input("plan")), read_labels(folders.input("labels")), folders.host
    with ThreadPoolExecutor(_THREADS) as pool:
        outcomes = list(pool.map(lambda photo: _prepared(s3, photo, folders, side_px), planned))
    for split in SPLITS:
        photos = [item.photo for item in outcomes if isinstance(item, Prepared) and item.split == split]
        write_photos(folders.output(split), photos, labels, index=f"photos-{host}.jsonl")
    (folders.output("report") / f"preprocess-{host}.json").write_text(json.dumps(_report(outcomes), indent=1))


def _prepared(s3: Any, photo: PlannedPhoto, folders: ProcessingFolders, side_px: int) -> Prepared | LeftOut:
    target = folders.output(photo.split) / photo.name
    try:
        if photo.split == "test":
            file, size = target.with_suffix(_ending(photo.url)), (photo.width_px, photo.height_px)
            _download_original(s3, photo, file)
        else:
            file = target.with_suffix(".jpg")
            _download_scaled(s3, photo, file, side_px)
            size = photo_size(str(file))
    except Unusable as error:
        return LeftOut(photo.url, str(error))
    truth = LabelledPhoto(
        file, photo.url, photo.group, photo.width_px, photo.height_px, photo.mm_per_px, labelled(photo.regions)
    )
    kept = scaled(scaled(truth, truth.width_px, truth.height_px), *size)  # clipped before it is scaled
    return Prepared(kept, photo.split, lost=len(truth.objects) - len(kept.objects))


def _download_scaled(s3: Any, photo: PlannedPhoto, file: Path, side_px: int) -> None:
    """From the cache; what is gone from there since fetch looked, is made anew."""
    try:
        downloaded(s3, photo.cached, file)
    except ObjectMissing:
        with tempfile.TemporaryDirectory() as folder:
            original = Path(folder) / "photo"
            _download_original(s3, photo, original)
            file.write_bytes(jpeg(scaled_photo(original, side_px)[0]))


def _download_original(s3: Any, photo: PlannedPhoto, file: Path) -> None:
    """Raises Unusable if it is no longer what fetch checked."""
    try:
        etag = downloaded(s3, photo.url, file).etag
    except ObjectMissing as error:
        raise Unusable(f"The photo can't be fetched: {error}.") from error
    if etag != photo.etag:
        file.unlink()
        raise Unusable("The photo became another one during the run.")


def _report(outcomes: Sequence[Prepared | LeftOut]) -> dict[str, Any]:
    done = [item for item in outcomes if isinstance(item, Prepared)]

    def by_split(count: Callable[[LabelledPhoto], int]) -> dict[str, int]:
        return {split: sum(count(item.photo) for item in done if item.split == split) for split in SPLITS}

    return {
        "photos": by_split(lambda _: 1),
        "regions": by_split(lambda photo: len(photo.objects)),
        "masks": by_split(lambda photo: sum(thing.mask is not None for thing in photo.objects)),
        "lost": sum(item.lost for item in done),
        "left_out": [{"photo": item.photo, "reason": item.reason} for item in outcomes if isinstance(item, LeftOut)],
    }


def _ending(url: str) -> str:
    ending = PurePosixPath(url).suffix.lower()
    return ending if ending[1:].isalnum() and ending.isascii() else ".photo"


if __name__ == "__main__":
    main()
