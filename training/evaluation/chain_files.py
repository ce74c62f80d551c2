"""The two chains that an evaluation is given, as files: the live one, and the candidate that training made of it."""

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loc360.errors import MetadataInvalid
from loc360.manifest import Manifest
from training.archives.archived_model import ArchivedModel
from training.archives.unpacking import Archive, unpacked
from training.errors import ArchiveInvalid, JobFailed
from training.evaluation.chain_run import Chain
from training.job import ProcessingFolders

ROLES = ("detector", "segmenter")
LIVE, CANDIDATE = "live", "candidate"
_SIDES = {"detector": "detector_side_px", "segmenter": "crop_side_px"}


@dataclass(frozen=True, slots=True)
class ChainFiles:
    name: str
    manifest: Manifest
    archives: Mapping[str, Archive]
    """By role."""
    urls: Mapping[str, str]
    """By role."""


def live_files(folders: ProcessingFolders, values: Mapping[str, str], unpacking: Path) -> ChainFiles:
    """Raises JobFailed."""
    archives = {role: unpacked(folders.input_file(f"live-{role}"), unpacking / f"live-{role}") for role in ROLES}
    models = {role: archive for role, archive in archives.items() if archive is not None}
    if len(models) < len(ROLES):
        raise ArchiveInvalid("An archive of the live chain holds no model.")
    return ChainFiles(LIVE, _live_manifest(folders.input_file("live-manifest")), models, _urls(values, "LIVE_"))


def candidate_files(
    folders: ProcessingFolders, values: Mapping[str, str], unpacking: Path, live: ChainFiles
) -> ChainFiles:
    """What training made; where it left a model unchanged, the live one. Raises JobFailed."""
    archives = {role: unpacked(folders.input_file(role), unpacking / role) for role in ROLES}
    fresh = {role: archive for role, archive in archives.items() if archive is not None}
    urls = {role: (_urls(values, "") if role in fresh else live.urls)[role] for role in ROLES}
    manifest = candidate_manifest(live.manifest, {role: archive.about for role, archive in fresh.items()})
    return ChainFiles(CANDIDATE, manifest, {**live.archives, **fresh}, urls)


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


def started(files: ChainFiles, chains: int, stack: ExitStack) -> Chain:
    """Its models in processes that end with the stack, with the share of the processors of one of that many chains."""
    threads = max(1, (os.cpu_count() or 1) // chains)
    detector, segmenter = (
        stack.enter_context(ArchivedModel(files.archives[role].folder, name=f"{files.name} {role}", threads=threads))
        for role in ROLES
    )
    return Chain(files.name, replace(files.manifest, release=files.name), detector, segmenter)


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
