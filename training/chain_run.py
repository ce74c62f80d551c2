"""One chain over the test photos, driven as the platform drives it, and held against what is true of them."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import loc360
from loc360.errors import Loc360Error
from loc360.manifest import Manifest
from loc360.phenotype import largest_component, shape_measures
from loc360.wire import Box, mask_from_base64
from training.comparison import Comparison, Found, Truth, compared
from training.dataset import LabelledObject, LabelledPhoto
from training.errors import JobFailed
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
class ChainRun:
    comparisons: tuple[Comparison, ...]
    """One per photo, in their order."""
    failures: Mapping[str, str]
    """Photo -> why nothing came out of it; its comparison says that nothing was found."""
    seconds_per_photo: float


def run_chain(chain: Chain, photos: Sequence[LabelledPhoto], *, may_fail: bool = False) -> ChainRun:
    """Raises JobFailed if the chain fails on every photo or one of its models ends, unless it `may_fail`."""
    comparisons, failures, started_s = [], {}, time.perf_counter()
    for photo in photos:
        found: list[Found] = []
        try:
            found = found_objects(processed(chain, str(photo.file), photo.mm_per_px))
        except Loc360Error as error:
            if isinstance(error, JobFailed) and not may_fail:
                raise
            failures[photo.source] = str(error)
        comparisons.append(compared(true_objects(photo), found))
    if photos and len(failures) == len(photos) and not may_fail:
        raise JobFailed(f"The {chain.name} chain fails on every test photo. {next(iter(failures.values()))}")
    return ChainRun(tuple(comparisons), failures, (time.perf_counter() - started_s) / max(1, len(photos)))


def processed(chain: Chain, photo_path: str, mm_per_px: float | None) -> dict[str, Any]:
    """What `loc360.process` returns: one call of the detector, then one of the segmenter per object."""
    properties = {"manifest": chain.manifest.to_dict(), "mm_per_px": mm_per_px}
    detector, segmenter = chain.manifest.detector_model, chain.manifest.segmenter_model
    payload = loc360.sagemaker_preprocess(photo_path, _metadata(properties, detector))
    finds = chain.detector.invoke(payload)
    payloads = json.loads(loc360.sagemaker_preprocess(photo_path, _metadata(properties, segmenter, finds)))
    replies = json.dumps([chain.segmenter.invoke(item) for item in payloads])
    return loc360.process(photo_path, _metadata(properties, segmenter, replies))


def found_objects(metrics: Mapping[str, Any]) -> list[Found]:
    """From what `loc360.process` returned, with masks on the photo's pixels."""
    size = metrics["width_px"], metrics["height_px"]
    return [
        Found(
            label=item["label"],
            box_px=Box(*item["box_px"]),
            score=item["score"],
            mask=drawn(mask_from_base64(item["mask_png"]), Box(*item["mask_box_px"]), *size),
            length_mm=item.get("length_mm"),
            width_mm=item.get("width_mm"),
        )
        for item in metrics["objects"]
    ]


def true_objects(photo: LabelledPhoto) -> list[Truth]:
    """With sizes where there is a mask and a scale, measured as `loc360.process` measures."""
    return [Truth(item.label, item.box_px, item.mask, *_size_mm(item, photo.mm_per_px)) for item in photo.objects]


def _size_mm(thing: LabelledObject, mm_per_px: float | None) -> tuple[float | None, float | None]:
    if thing.mask is None or mm_per_px is None:
        return None, None
    shape = shape_measures(largest_component(thing.mask.mask), 1, 1)
    return shape["length_px"] * mm_per_px, shape["width_px"] * mm_per_px


def _metadata(properties: Mapping[str, Any], model: str, reply: str | None = None) -> dict[str, Any]:
    response = {} if reply is None else {"sagemaker_response": reply}
    return {"properties": {**properties, "dl_model_name": model, **response}}
