"""The platform's metadata, read once per call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loc360.errors import MetadataInvalid, ReplyInvalid
from loc360.manifest import Manifest, bundled_manifest

_LARGEST_MM_PER_PX = 1e6


@dataclass(frozen=True, slots=True)
class Properties:
    """`metadata["properties"]` of one call."""

    model: str
    """`dl_model_name`: the model about to be called, or in `process` the one called last."""
    raw_reply: str | None
    """`sagemaker_response`: the raw response of the model called before."""
    manifest: Manifest
    mm_per_px: float | None
    """Scale of the upright photo at full size."""

    @classmethod
    def read(cls, metadata: object) -> "Properties":
        """Raises MetadataInvalid."""
        values = metadata.get("properties") if isinstance(metadata, Mapping) else None
        if not isinstance(values, Mapping):
            raise MetadataInvalid("metadata.properties is missing.")
        model = values.get("dl_model_name")
        if not isinstance(model, str) or not model:
            raise MetadataInvalid("metadata.properties.dl_model_name is missing.")
        manifest = values.get("manifest")
        return cls(
            model=model,
            raw_reply=values.get("sagemaker_response"),
            manifest=bundled_manifest() if manifest is None else Manifest.from_dict(manifest),
            mm_per_px=_scale(values.get("mm_per_px")),
        )

    def reply(self) -> str:
        """The raw response, where the call needs one. Raises ReplyInvalid if there is none."""
        if self.raw_reply is None or self.raw_reply == "":
            raise ReplyInvalid("metadata.properties.sagemaker_response is missing: the model before gave no reply.")
        return self.raw_reply


def _scale(value: Any) -> float | None:
    if value is None:
        return None
    try:
        scale = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise MetadataInvalid(f"metadata.properties.mm_per_px is no number: {value!r}.") from error
    if not 0 < scale <= _LARGEST_MM_PER_PX:
        raise MetadataInvalid(f"metadata.properties.mm_per_px must be above 0: {value!r}.")
    return scale
