"""The manifest: what the module must know of the live release to speak to its two models."""

import json
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import Any

from loc360.errors import MetadataInvalid


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
        """Raises MetadataInvalid if a field is missing or unknown."""
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise MetadataInvalid(f"The manifest has unknown fields: {sorted(unknown)}.")
        try:
            return cls(**{**values, "labels": tuple(values["labels"])})
        except (KeyError, TypeError) as error:
            raise MetadataInvalid(f"The manifest is incomplete: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "labels": list(self.labels)}


def bundled_manifest() -> Manifest:
    """The manifest published with this copy of the module (`manifest.json` beside this file).

    Raises MetadataInvalid if none was published.
    """
    file = resources.files("loc360").joinpath("manifest.json")
    if not file.is_file():
        raise MetadataInvalid("No manifest is published with this module and metadata.properties.manifest is not set.")
    return Manifest.from_dict(json.loads(file.read_text()))
