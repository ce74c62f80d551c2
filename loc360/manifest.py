"""The manifest: what the module must know of the live release to speak to its two models."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import Any

from loc360.errors import MetadataInvalid
from loc360.pictures import MAX_SIDE_PX


@dataclass(frozen=True, slots=True)
class Manifest:
    """One release as the module sees it. A change of any field is a new release."""

    release: str
    """Name of the release; every payload and reply carries it."""
    detector_model: str
    """`dl_model_name` of call 1."""
    segmenter_model: str
    """`dl_model_name` of call 2."""
    labels: tuple[str, ...]
    detector_side_px: int = 1024
    """Long side of the photo sent to the detector; a smaller photo is sent as it is."""
    score_threshold: float = 0.0
    """Finds below it are dropped before the segmenter is called."""
    max_objects: int = 500
    """At most this many finds, best first, go to the segmenter."""
    crop_margin: float = 0.25
    """Context around a box sent to the segmenter, as a share of the box's longer side."""
    crop_side_px: int = 384
    """Long side of the crop sent to the segmenter; a smaller crop is sent as it is."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Manifest":
        """Raises MetadataInvalid if a field is missing, unknown or out of range."""
        if not isinstance(values, Mapping):
            raise MetadataInvalid("The manifest is no object.")
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise MetadataInvalid(f"The manifest has unknown fields: {sorted(map(str, unknown))}.")
        try:
            manifest = cls(**{**values, "labels": tuple(values["labels"])})
        except (KeyError, TypeError) as error:
            raise MetadataInvalid(f"The manifest is incomplete: {error}.") from error
        if wrong := manifest._wrong_fields():
            raise MetadataInvalid(f"The manifest's {', '.join(wrong)} can't be used.")
        return manifest

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "labels": list(self.labels)}

    def _wrong_fields(self) -> list[str]:
        names: tuple[object, ...] = (self.detector_model, self.segmenter_model, *self.labels)
        fits = {
            "release": isinstance(self.release, str),  # a candidate has none yet
            "names": all(isinstance(name, str) and name for name in names),
            "detector_side_px": _is_number(self.detector_side_px, 1, MAX_SIDE_PX, whole=True),
            "score_threshold": _is_number(self.score_threshold, -1e12, 1e12),
            "max_objects": _is_number(self.max_objects, 1, 100_000, whole=True),
            "crop_margin": _is_number(self.crop_margin, 0, 100),
            "crop_side_px": _is_number(self.crop_side_px, 1, MAX_SIDE_PX, whole=True),
        }
        return [field for field, is_fit in fits.items() if not is_fit]


def _is_number(value: object, low: float, high: float, *, whole: bool = False) -> bool:
    kinds = int if whole else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def bundled_manifest() -> Manifest:
    """The manifest published with this copy of the module (`manifest.json` beside this file).

    Raises MetadataInvalid if none was published.
    """
    file = resources.files("loc360").joinpath("manifest.json")
    if not file.is_file():
        raise MetadataInvalid("No manifest is published with this module and metadata.properties.manifest is not set.")
    try:
        return Manifest.from_dict(json.loads(file.read_text()))
    except (ValueError, RecursionError) as error:
        raise MetadataInvalid("The manifest published with this module is no JSON.") from error
