"""One chain over the test photos, driven as the platform drives it, and held against what is true of them."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import loc360
from loc360.errors import Loc360Error
from loc360.manifest import Manifest
from loc360.phenotype import in_millimetres, largest_component, shape_measures
from loc360.wire import Box, decode_segmenter_replies, mask_from_base64
from training.data.dataset import LabelledObject, LabelledPhoto
from training.errors import JobFailed
from training.evaluation.comparison import SIZES, Comparison, Found, Truth, compared
from training.masks import drawn


class Model(Protocol):
    def invoke(self, payload: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Chain:
    name: str
    manifest: Manifest
    detector: Model
    segmenter: Model


@dataclass(frozen=True, slots=True)
class Finds:
    """What a chain makes of one photo."""

    found: tuple[Found, ...] = ()
    """As the chain says it."""
    asked: tuple[Found, ...] = ()
    """As the detector says it, with its own boxes, and with what the segmenter drew there; without a mask if that is
    empty."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One photo."""

    truth: tuple[Truth, ...]
    finds: Finds
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class ChainRun:
    seen: tuple[Seen, ...]
    """One per photo, in their order."""
    failures: Mapping[str, str]
    """Photo -> why nothing came out of it; its comparison says that nothing was found."""
    seconds_per_photo: float

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        return tuple(photo.comparison for photo in self.seen)


def run_chain(chain: Chain, photos: Sequence[LabelledPhoto], *, may_fail: bool = False) -> ChainRun:
    """Raises JobFailed if the chain fails on every photo or one of its models ends, unless it `may_fail`."""
    started_s = time.perf_counter()
    looks = [look(chain, photo, may_fail=may_fail) for photo in photos]
    failures = {photo.source: failure for photo, (_, failure) in zip(photos, looks, strict=True) if failure}
    if photos and len(failures) == len(photos) and not may_fail:
        raise JobFailed(f"The {chain.name} chain fails on every test photo. {next(iter(failures.values()))}")
    seconds = (time.perf_counter() - started_s) / max(1, len(photos))
    return ChainRun(tuple(seen for seen, _ in looks), failures, seconds)


def look(chain: Chain, photo: LabelledPhoto, *, may_fail: bool = False) -> tuple[Seen, str]:
    """What the chain sees, and why that is nothing if it fails on the photo.

    Raises JobFailed if one of its models ends, unless it `may_fail`.
    """
    finds, failure = Finds(), ""
    try:
        finds = found_objects(chain, str(photo.file), photo.mm_per_px)
    except Loc360Error as error:
        if isinstance(error, JobFailed) and not may_fail:
            raise
        failure = str(error)
    truth = true_objects(photo)
    return Seen(truth, finds, compared(truth, finds.found)), failure


def found_objects(chain: Chain, photo_path: str, mm_per_px: float | None) -> Finds:
    """One call of the detector, then one of the segmenter per object. Raises Loc360Error."""
    properties = {"manifest": chain.manifest.to_dict(), "mm_per_px": mm_per_px}
    detector, segmenter = chain.manifest.detector_model, chain.manifest.segmenter_model
    payload = loc360.sagemaker_preprocess(photo_path, call_metadata(properties, detector))
    finds = chain.detector.invoke(payload)
    payloads = json.loads(loc360.sagemaker_preprocess(photo_path, call_metadata(properties, segmenter, finds)))
    replies = json.dumps([chain.segmenter.invoke(item) for item in payloads])
    return _finds(loc360.process(photo_path, call_metadata(properties, segmenter, replies)), replies)


def true_objects(photo: LabelledPhoto) -> tuple[Truth, ...]:
    """With sizes where there is a mask and a scale, measured as `loc360.process` measures."""
    return tuple(
        Truth(item.label, item.box_px, item.mask, **_sizes(_measured(item, photo.mm_per_px))) for item in photo.objects
    )


def _finds(metrics: Mapping[str, Any], replies: str) -> Finds:
    """With masks on the photo's pixels. `metrics`: what `loc360.process` made of the segmenter's `replies`."""
    size = metrics["width_px"], metrics["height_px"]
    found = {
        item["index"]: Found(
            label=item["label"],
            box_px=Box(*item["box_px"]),
            score=item["score"],
            mask=drawn(mask_from_base64(item["mask_png"]), Box(*item["mask_box_px"]), *size),
            **_sizes(item),
        )
        for item in metrics["objects"]
    }
    echoes = [reply.echo for reply in decode_segmenter_replies(replies)]
    masks = {index: item.mask for index, item in found.items()}
    asked = tuple(Found(echo.label, echo.box, echo.score, masks.get(echo.index)) for echo in echoes)
    return Finds(tuple(found.values()), asked)


def _measured(thing: LabelledObject, mm_per_px: float | None) -> dict[str, float]:
    if thing.mask is None or mm_per_px is None:
        return {}
    return in_millimetres(shape_measures(largest_component(thing.mask.mask), 1, 1), mm_per_px)


def _sizes(measures: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: measures.get(name) for name in (f"{size}_{unit}" for size, unit in SIZES.items())}


def call_metadata(properties: Mapping[str, Any], model: str, reply: str | None = None) -> dict[str, Any]:
    response = {} if reply is None else {"sagemaker_response": reply}
    return {"properties": {**properties, "dl_model_name": model, **response}}
