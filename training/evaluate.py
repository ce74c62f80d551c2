"""`python3 -m training.evaluate`: is the candidate chain better than the live one, on photos that neither learnt from?

Inputs: `test` (of preprocessing), the archives `detector`, `segmenter`, `live-detector`, `live-segmenter`, and
`live-manifest`; environment: `DETECTOR_URL` and so on, where those archives lie in S3, and what is demanded:
`MINIMUM_TEST_PHOTOS` (5) and `MINIMUM_GAIN` (0). Outputs, in `evaluation`: `evaluation.json` and `photos.json` (see
`training.report`), and the candidate's `manifest.json`.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loc360.errors import MetadataInvalid
from loc360.manifest import Manifest
from training.archived_model import ArchivedModel
from training.chain_run import Chain, ChainRun, run_chain
from training.dataset import LabelledPhoto, labels_of, read_labels, read_photos
from training.errors import ArchiveInvalid, JobFailed
from training.job import ProcessingFolders, run_to_exit
from training.report import by_photo, evaluation
from training.unpacking import Archive, unpacked
from training.verdict import Demands, lost_labels

ROLES = ("detector", "segmenter")
LIVE = "live"
_SIDES = {"detector": "detector_side_px", "segmenter": "crop_side_px"}


@dataclass(frozen=True, slots=True)
class ChainFiles:
    name: str
    manifest: Manifest
    archives: Mapping[str, Archive]
    """By role."""
    urls: Mapping[str, str]
    """By role."""


def main() -> None:
    run_to_exit(ProcessingFolders.read(os.environ), lambda folders: evaluate(folders, os.environ))


def evaluate(folders: ProcessingFolders, values: Mapping[str, str]) -> None:
    """Run both chains on the test photos and write the outputs. `values`: the environment's, with the archives' urls.

    Raises JobFailed: an input is missing or unusable, or the candidate fails on every photo.
    """
    demands = _demands(values)
    photos, labels = read_photos(folders.input("test")), read_labels(folders.input("test"))
    with tempfile.TemporaryDirectory() as unpacking:
        live = _live(folders, values, Path(unpacking))
        candidate = _candidate(folders, values, Path(unpacking), live)
        of_candidate, of_live = _runs([candidate, live], photos)
    lost = lost_labels(live.manifest.labels, candidate.manifest.labels, {*labels, *labels_of(photos)})
    report = evaluation(photos, of_candidate, of_live, urls=candidate.urls, demands=demands, labels_lost=lost)
    output = folders.output("evaluation")
    (output / "evaluation.json").write_text(json.dumps(report, indent=1, allow_nan=False))
    (output / "photos.json").write_text(json.dumps(by_photo(photos, of_candidate, of_live), indent=1, allow_nan=False))
    (output / "manifest.json").write_text(json.dumps(candidate.manifest.to_dict(), indent=1, sort_keys=True))


def _live(folders: ProcessingFolders, values: Mapping[str, str], unpacking: Path) -> ChainFiles:
    archives = {role: unpacked(folders.input_file(f"live-{role}"), unpacking / f"live-{role}") for role in ROLES}
    models = {role: archive for role, archive in archives.items() if archive is not None}
    if len(models) < len(ROLES):
        raise ArchiveInvalid("An archive of the live chain holds no model.")
    return ChainFiles(LIVE, _live_manifest(folders.input_file("live-manifest")), models, _urls(values, "LIVE_"))


def _candidate(folders: ProcessingFolders, values: Mapping[str, str], unpacking: Path, live: ChainFiles) -> ChainFiles:
    """What training made; where it left a model unchanged, the live one."""
    archives = {role: unpacked(folders.input_file(role), unpacking / role) for role in ROLES}
    fresh = {role: archive for role, archive in archives.items() if archive is not None}
    urls = {role: (_urls(values, "") if role in fresh else live.urls)[role] for role in ROLES}
    manifest = candidate_manifest(live.manifest, {role: archive.about for role, archive in fresh.items()})
    return ChainFiles("candidate", manifest, {**live.archives, **fresh}, urls)


def candidate_manifest(live: Manifest, about: Mapping[str, Mapping[str, Any]]) -> Manifest:
    """The live manifest, without a release, changed as the new models' `model.json` say (`about`, by role).

    Raises ArchiveInvalid.
    """
    fields = live.to_dict() | {"release": ""}
    try:
        for role, model in about.items():
            if "side_limit_px" in model:
                fields[_SIDES[role]] = _positive(model["side_limit_px"])
        if "detector" in about:
            detector = about["detector"]
            fields["labels"] = _labels(detector["labels"])
            fields["score_threshold"] = float(detector.get("score_threshold", live.score_threshold))
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveInvalid(f"A model.json lacks or garbles a field: {error!r}.") from error
    return Manifest.from_dict(fields)


def _positive(value: Any) -> int:
    if int(value) < 1:
        raise ValueError(f"not above 0: {value!r}")
    return int(value)


def _labels(values: Any) -> list[str]:
    if not isinstance(values, list) or not values or not all(isinstance(label, str) for label in values):
        raise ValueError(f"no labels: {values!r}")
    return values


def _live_manifest(file: Path) -> Manifest:
    try:
        return Manifest.from_dict(json.loads(file.read_text()))
    except (ValueError, MetadataInvalid) as error:
        raise JobFailed(f"The live manifest can't be read: {error}") from error


def _urls(values: Mapping[str, str], prefix: str) -> dict[str, str]:
    names = {role: f"{prefix}{role.upper()}_URL" for role in ROLES}
    if missing := [name for name in names.values() if not values.get(name)]:
        raise JobFailed(f"The environment lacks {', '.join(missing)}.")
    return {role: values[name] for role, name in names.items()}


def _demands(values: Mapping[str, str]) -> Demands:
    try:
        photos, gain = int(values.get("MINIMUM_TEST_PHOTOS", "5")), float(values.get("MINIMUM_GAIN", "0"))
    except ValueError as error:
        raise JobFailed(f"MINIMUM_TEST_PHOTOS or MINIMUM_GAIN is no number: {error}.") from error
    return Demands(photos, gain)


def _runs(chains: list[ChainFiles], photos: tuple[LabelledPhoto, ...]) -> list[ChainRun]:
    """Side by side, each with its share of the processors. A live chain that fails can't keep its replacement out."""
    if not photos:
        return [ChainRun((), {}, 0.0) for _ in chains]
    threads = max(1, (os.cpu_count() or 1) // len(chains))
    with ExitStack() as stack, ThreadPoolExecutor(len(chains)) as pool:
        started = [_started(files, threads, stack) for files in chains]
        return list(pool.map(lambda chain: run_chain(chain, photos, may_fail=chain.name == LIVE), started))


def _started(files: ChainFiles, threads: int, stack: ExitStack) -> Chain:
    detector, segmenter = (
        stack.enter_context(ArchivedModel(files.archives[role].folder, name=f"{files.name} {role}", threads=threads))
        for role in ROLES
    )
    manifest = replace(files.manifest, release=files.name)
    return Chain(files.name, manifest, detector, segmenter)


if __name__ == "__main__":
    main()
