"""`python3 -m training.fetch --snapshot s3://BUCKET/snapshots/NAME.json --cache s3://BUCKET/FOLDER/`: what is learnt.

Looks at every photo of the snapshot, fetches those that are new, and decides which are learnt from and which are tested
on. Outputs: `plan` (`training.data.plan`: what preprocessing is to do), `labels` (`labels.json`), `report`
(`fetch.json`: what there is, and what was left out and why).
"""

import argparse
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from loc360.wire import Image
from training.data.dataset import LABELS
from training.data.leakage import Leak, SeenPhoto, leaks_by_key, leaks_by_look
from training.data.likeness import Look, look_of
from training.data.objects import patient_client
from training.data.photo_cache import CachedPhoto, PhotoCache
from training.data.plan import PlannedPhoto, write_plan
from training.data.preparation import Checked, LeftOut, Unusable, checked
from training.data.snapshot import SPLITS, AnnotatedPhoto, Snapshot, bucket_and_key, read_snapshot
from training.errors import JobFailed
from training.job import ProcessingFolders, run_to_exit

OWN_TEST_PHOTOS = "snapshot"
_THREADS = 16
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Asked:
    snapshot_url: str
    cache_url: str
    test_data: str = OWN_TEST_PHOTOS
    """`snapshot`, or the url of another one all of whose photos are tested on."""
    side_px: int = 1600
    broken_share: float = 0.2
    """Above this share of unusable photos something else is wrong than photos."""
    parts: int = 8


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    photo: AnnotatedPhoto
    cached: CachedPhoto
    checked: Checked


def main() -> None:
    asked = _asked()
    run_to_exit(
        ProcessingFolders.read(os.environ), lambda folders: fetch(patient_client(_THREADS), asked, folders, look_of)
    )


def fetch(s3: Any, asked: Asked, folders: ProcessingFolders, look: Callable[[Image], Look]) -> None:
    """Write the outputs.

    Raises SnapshotInvalid, and JobFailed if too many photos are broken, none is left to learn from or S3 does not
    answer.
    """
    _require_sense(asked)
    snapshot = read_snapshot(s3, asked.snapshot_url)
    tests = None if asked.test_data == OWN_TEST_PHOTOS else read_snapshot(s3, asked.test_data)
    chosen = _chosen(snapshot, tests)
    leaks = leaks_by_key(chosen)
    outcomes = _fetched(PhotoCache(s3, asked.cache_url, asked.side_px, look), _without(chosen, leaks))
    usable = [item for item in outcomes if isinstance(item, Fetched)]
    left_out = [item for item in outcomes if isinstance(item, LeftOut)]
    leaks += leaks_by_look(SeenPhoto(item.photo, item.cached.look) for item in usable)
    leaked = {leak.photo for leak in leaks}
    kept = [item for item in usable if item.photo.split == "test" or item.photo.url not in leaked]
    labels = list(dict.fromkeys([*snapshot.labels, *(tests.labels if tests else ())]))
    report = _report(asked, snapshot, labels, kept, left_out, leaks)
    (folders.output("report") / "fetch.json").write_text(json.dumps(report, indent=1))
    (folders.output("labels") / LABELS).write_text(json.dumps(labels))
    _require_photos(asked, kept, left_out, len(outcomes), leaks)
    write_plan(folders.output("plan"), _planned(kept), asked.parts)


def _asked() -> Asked:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshot", dest="snapshot_url", required=True, help="s3://BUCKET/snapshots/NAME.json")
    parser.add_argument("--test-data", help="another snapshot, all whose photos are the test photos")
    parser.add_argument("--side-px", type=int, help="long side of the photos to learn from")
    parser.add_argument("--cache", dest="cache_url", required=True, help="s3://BUCKET/FOLDER/ of photos scaled down")
    parser.add_argument("--broken-share", type=float, help="of the photos, at most that many may be unusable")
    parser.add_argument("--parts", type=int, help="files of the plan, at least as many as preprocessing has instances")
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    return Asked(**given)


def _require_sense(asked: Asked) -> None:
    for name in ("side_px", "parts"):
        if getattr(asked, name) < 1:
            raise JobFailed(f"--{name.replace('_', '-')} must be above 0: {getattr(asked, name)}.")
    if not 0 <= asked.broken_share <= 1:
        raise JobFailed(f"--broken-share must lie between 0 and 1: {asked.broken_share}.")
    try:
        bucket_and_key(asked.cache_url)
    except ValueError as error:
        raise JobFailed(f"--cache must name a folder in S3: {error}.") from error


def _chosen(snapshot: Snapshot, tests: Snapshot | None) -> list[AnnotatedPhoto]:
    """With test photos from elsewhere the snapshot's own are left aside: they are no photos to learn from."""
    if tests is None:
        return list(snapshot.photos)
    learnt = [photo for photo in snapshot.photos if photo.split != "test"]
    return learnt + [replace(photo, split="test") for photo in tests.photos]


def _without(photos: Iterable[AnnotatedPhoto], leaks: Iterable[Leak]) -> list[AnnotatedPhoto]:
    leaked = {leak.photo for leak in leaks}
    return [photo for photo in photos if photo.split == "test" or photo.url not in leaked]


def _fetched(cache: PhotoCache, photos: Sequence[AnnotatedPhoto]) -> list[Fetched | LeftOut]:
    """In their order."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(partial(_looked_at, cache), photos))


def _looked_at(cache: PhotoCache, photo: AnnotatedPhoto) -> Fetched | LeftOut:
    try:
        cached = cache.photo(photo.url)
        return Fetched(photo, cached, checked(photo, cached.width_px, cached.height_px))
    except Unusable as error:
        return LeftOut(photo.url, str(error), broken=error.broken)


def _report(
    asked: Asked,
    snapshot: Snapshot,
    labels: Sequence[str],
    kept: Sequence[Fetched],
    left_out: Sequence[LeftOut],
    leaks: Sequence[Leak],
) -> dict[str, Any]:
    by_split = {split: [item for item in kept if item.photo.split == split] for split in SPLITS}
    drawn = {split: [region for item in items for region in item.checked.regions] for split, items in by_split.items()}
    return {
        "snapshot": snapshot.name,
        "test_data": asked.test_data,
        "labels": list(labels),
        "photos": {split: len(items) for split, items in by_split.items()},
        "regions": {split: len(regions) for split, regions in drawn.items()},
        "masks": {split: sum(region.mask is not None for region in regions) for split, regions in drawn.items()},
        "key_points": sum(item.checked.key_points for item in kept),
        "outside": sum(item.checked.outside for item in kept),
        "masks_lost": [
            {"photo": item.photo.url, "masks": item.checked.masks_lost} for item in kept if item.checked.masks_lost
        ],
        "newly_fetched": sum(not item.cached.was_there for item in kept),
        "left_out": [{"photo": item.photo, "reason": item.reason, "broken": item.broken} for item in left_out],
        "leaks": [asdict(leak) for leak in leaks],
    }


def _require_photos(
    asked: Asked, kept: Sequence[Fetched], left_out: Sequence[LeftOut], looked_at: int, leaks: Sequence[Leak]
) -> None:
    broken = [item for item in left_out if item.broken]
    if len(broken) > asked.broken_share * looked_at:
        named = "; ".join(f"{item.photo}: {item.reason}" for item in broken[:_NAMED])
        raise JobFailed(f"{len(broken)} of {looked_at} photos can't be used. {named}")
    if not any(item.photo.split == "train" for item in kept):
        lost = f" ({len(leaks)} left out: they show what the test photos show)" if leaks else ""
        raise JobFailed(f"The snapshot has no photo to learn from{lost}: annotate more.")


def _planned(kept: Sequence[Fetched]) -> list[PlannedPhoto]:
    return [
        PlannedPhoto(
            name=f"{number:06d}",
            url=item.photo.url,
            etag=item.cached.etag,
            cached=item.cached.url,
            split=item.photo.split,
            width_px=item.cached.width_px,
            height_px=item.cached.height_px,
            mm_per_px=item.photo.mm_per_px,
            group=item.photo.group,
            regions=item.checked.regions,
        )
        for number, item in enumerate(kept, 1)
    ]


if __name__ == "__main__":
    main()
