"""A release on photos that it never learnt from, asked at the door that Label Studio uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
import stamina

from loc360.wire import Box
from phenoloop.demo.proof.annotator import Shares, decisions
from phenoloop.demo.proof.known import KnownObject, KnownPhoto
from phenoloop.demo.proof.label_config import with_labels_too
from phenoloop.demo.proof.stack import Doors
from phenoloop.demo.proof.steps import StepFailed
from phenoloop.errors import PhenoloopError
from phenoloop.labelling.annotated import AnnotatedRegion, decode_regions
from phenoloop.labelling.config import LabellingConfig, parse_labelling_config
from training.evaluation.scores import (
    ChainScores,
    Comparison,
    Found,
    Gain,
    Interval,
    PlacedMask,
    Truth,
    chain_scores,
    compared,
    gain,
    intervals,
)

PHOTOS_A_CALL = 4
ATTEMPTS = 3
TIMEOUT_S = 100.0
HEALTH_TIMEOUT_S = 5.0


class PredictionMissing(PhenoloopError):
    """The backend left photos without an answer; it may have one the next time."""

    retryable = True


@dataclass(frozen=True, slots=True)
class ReleaseScore:
    """One release on the test photos."""

    release: str
    scores: ChainScores
    intervals: Mapping[str, Interval]
    shares: Shares
    """What the annotator would do with its regions."""
    comparisons: tuple[Comparison, ...]
    """One a photo, in their order."""
    groups: tuple[str, ...] | None = None
    """Of the photos; None if each stands for itself."""


def score_release(
    doors: Doors, photos: Mapping[str, KnownPhoto], *, release: str, labels: Sequence[str]
) -> ReleaseScore:
    """The release on these photos (by URL). `labels` are its own: those that the project lacks are asked for too.

    Raises StepFailed if the backend does not predict every photo by this very release.
    """
    shown = {label for control in _config(doors).region_controls for label in control.labels}
    made, comparisons = [], []
    groups = groups_of(photos.values())
    for photo, prediction in _predictions(doors, photos, with_labels_too(doors.label_config, labels)):
        if prediction["model_version"] != release:
            raise StepFailed("The live release changed while it was scored.", asked=release)
        regions = decode_regions(prediction["result"])
        made += decisions([region for region in regions if region.label in shown], photo.objects)
        comparisons.append(comparison(photo.objects, regions, _scores(prediction["result"])))
    return ReleaseScore(
        release=release,
        scores=chain_scores(comparisons),
        intervals=intervals(comparisons, groups=groups),
        shares=Shares.of(made),
        comparisons=tuple(comparisons),
        groups=groups,
    )


def groups_of(photos: Iterable[KnownPhoto]) -> tuple[str, ...] | None:
    """One name a photo; None if no photo has a group. A photo without one is a group of its own."""
    known = list(photos)
    if not any(photo.group for photo in known):
        return None
    return tuple(f"group {photo.group}" if photo.group else f"photo {photo.name}" for photo in known)


def served_release(doors: Doors) -> str:
    """What the backend answers by now; empty while it does not answer."""
    try:
        return str(requests.get(f"{doors.backend_url}/health", timeout=HEALTH_TIMEOUT_S).json()["model_version"])
    except (requests.RequestException, KeyError):
        return ""


def gain_over(later: ReleaseScore, earlier: ReleaseScore) -> dict[str, Gain]:
    """Of each figure, paired photo by photo."""
    return gain(later.comparisons, earlier.comparisons, groups=earlier.groups)


def comparison(
    known: Sequence[KnownObject], regions: Sequence[AnnotatedRegion], scores: Mapping[str, float]
) -> Comparison:
    return compared(
        [_truth(thing) for thing in known],
        [_found(region, scores.get(region.id, 0.0)) for region in regions if not region.parent_id],
    )


def _predictions(
    doors: Doors, photos: Mapping[str, KnownPhoto], label_config: str
) -> Iterator[tuple[KnownPhoto, Mapping[str, Any]]]:
    urls = list(photos)
    for start in range(0, len(urls), PHOTOS_A_CALL):
        asked = urls[start : start + PHOTOS_A_CALL]
        for url, prediction in zip(asked, _answers(doors, asked, label_config), strict=True):
            yield photos[url], prediction


def _answers(doors: Doors, urls: Sequence[str], label_config: str) -> list[Mapping[str, Any]]:
    """One prediction a photo, as Label Studio would get it. Raises StepFailed."""
    body = {"tasks": [{"data": {_config(doors).image_key: url}} for url in urls], "label_config": label_config}
    try:
        for attempt in stamina.retry_context(on=(PredictionMissing, requests.RequestException), attempts=ATTEMPTS):
            with attempt:
                answer = requests.post(
                    f"{doors.backend_url}/predict", json=body, auth=doors.backend_credentials, timeout=TIMEOUT_S
                )
                answer.raise_for_status()
                return _complete(answer.json()["results"])
    except (PredictionMissing, requests.RequestException) as error:
        raise StepFailed("The backend did not predict the test photos.", reason=str(error)) from error
    raise AssertionError("unreachable")  # the last attempt raises


def _complete(results: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not all(results):
        raise PredictionMissing("The backend could not predict a test photo.", cure="Its log says why.")
    return results


def _config(doors: Doors) -> LabellingConfig:
    return parse_labelling_config(doors.label_config)


def _scores(result: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Region -> how sure the chain is of it."""
    return {str(item["id"]): float(item["score"]) for item in result if "score" in item}


def _truth(known: KnownObject) -> Truth:
    mask = None if known.mask is None else PlacedMask(known.mask, known.origin_px)
    return Truth(known.label, Box(*known.box_px), mask, known.length_mm, known.width_mm)


def _found(region: AnnotatedRegion, score: float) -> Found:
    mask = None if region.mask is None else PlacedMask(region.mask, region.origin_px)
    length_mm, width_mm = region.numbers.get("length_mm"), region.numbers.get("width_mm")
    return Found(region.label, Box(*region.box_px), score, mask, length_mm, width_mm)
