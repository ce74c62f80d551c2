"""The platform's calls as the module's tests make them."""

from typing import Any

import numpy as np

from loc360.wire import (
    Box,
    DetectorReply,
    Echo,
    Find,
    Mask,
    SegmenterReply,
    encode_detector_reply,
    encode_segmenter_reply,
)
from tests.unit.fake_models import manifest


def metadata(model: str, reply: str | None = None, **more: Any) -> dict[str, Any]:
    properties = {"dl_model_name": model, "manifest": manifest().to_dict(), **more}
    return {"properties": properties if reply is None else {**properties, "sagemaker_response": reply}}


def detector_reply(*finds: Find, release: str = "release-1", size: tuple[int, int] = (400, 300)) -> str:
    return encode_detector_reply(DetectorReply(release, *size, finds))


def segmenter_reply(index: int = 0, count: int = 1, release: str = "release-1", **more: Any) -> str:
    mask: Mask = more.pop("mask", np.ones((50, 100), np.bool_))
    crop = more.pop("crop", Box(100, 100, 200, 150))
    return encode_segmenter_reply(
        SegmenterReply(mask, Echo(release, index, count, more.pop("label", "tomato"), 0.9, crop, crop))
    )
