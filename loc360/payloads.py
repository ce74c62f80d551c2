"""What the two models are sent, within what SageMaker takes."""

import json
import math
from collections.abc import Callable
from dataclasses import replace

from loc360.errors import MetadataInvalid, ReplyInvalid
from loc360.frames import View, clipped, crop_around, whole
from loc360.manifest import Manifest
from loc360.photo import read_photo, read_photo_scaled, scaled_down, scaled_size
from loc360.wire import (
    DetectorRequest,
    Echo,
    Find,
    Image,
    SegmenterRequest,
    decode_detector_reply,
    encode_detector_request,
    encode_segmenter_request,
)

PAYLOAD_LIMIT_BYTES = 6_291_456
"""Most that one InvokeEndpoint call takes. Payloads are ASCII: one byte a character."""

_QUALITIES = (92, 80)
_SMALLEST_SIDE_PX = 32


def detector_payload(photo_path: str, manifest: Manifest) -> str:
    """Call 1: the photo, scaled. Raises PhotoUnreadable."""
    image = read_photo_scaled(photo_path, manifest.detector_side_px)

    def encoded(side_px: int, quality: int) -> str:
        request = DetectorRequest(release=manifest.release, image=scaled_down(image, side_px))
        return encode_detector_request(request, quality=quality)

    return _within_limit(encoded, max(image.shape[:2]))


def segmenter_payload(photo_path: str, manifest: Manifest, raw_reply: str) -> str:
    """Call 2: a JSON list of strings, one request per find, best first; "[]" if nothing is left to segment.

    Left out are finds scored below the manifest's threshold, finds that show less than one pixel of the photo in width
    or height, and those past `max_objects`. The list as a whole keeps within the limit, since the platform
    may send it in one call; all crops give way alike. Raises ReplyInvalid, PhotoUnreadable.
    """
    reply = decode_detector_reply(raw_reply)
    if reply.release != manifest.release:
        raise ReplyInvalid(f"The detector answered for release {reply.release!r}, not {manifest.release!r}.")
    scored = [find for find in reply.finds if find.score >= manifest.score_threshold]
    if not scored:
        return "[]"
    photo = read_photo(photo_path)
    frame = whole(photo.shape[1], photo.shape[0])
    visible = _visible(scored, View(frame, reply.width_px, reply.height_px))
    finds = sorted(visible, key=lambda find: -find.score)[: manifest.max_objects]

    def encoded(side_px: int, quality: int) -> str:
        requests = (
            _segmenter_request(photo, find, Echo(manifest.release, index, len(finds), find.label, find.score, find.box,
                               crop_around(find.box, manifest.crop_margin, frame)), side_px)
            for index, find in enumerate(finds)
        )  # fmt: skip
        return json.dumps([encode_segmenter_request(request, quality=quality) for request in requests])

    return _within_limit(encoded, manifest.crop_side_px)


def _visible(finds: list[Find], sent: View) -> list[Find]:
    """The finds from the sent frame to the photo's, clipped to it; those that show nothing of it left out."""
    return [
        replace(find, box=box, point=find.point and sent.point_on_photo(find.point))
        for find in finds
        if (box := clipped(sent.box_on_photo(find.box), sent.part))
    ]


def _segmenter_request(photo: Image, find: Find, echo: Echo, side_px: int) -> SegmenterRequest:
    x0, y0, x1, y1 = map(int, echo.crop)
    view = View(echo.crop, *scaled_size(x1 - x0, y1 - y0, side_px))
    return SegmenterRequest(
        image=scaled_down(photo[y0:y1, x0:x1], side_px),
        box=view.box_in_view(find.box),
        point=find.point and view.point_in_view(find.point),
        echo=echo,
    )


def _within_limit(encoded: Callable[[int, int], str], side_px: int) -> str:
    """The payload that `encoded(side_px, JPEG quality)` makes: quality gives way first, then size."""
    for quality in _QUALITIES:
        payload = encoded(side_px, quality)
        if len(payload) < PAYLOAD_LIMIT_BYTES:
            return payload
    while (side_px := _smaller(side_px, len(payload))) >= _SMALLEST_SIDE_PX:
        payload = encoded(side_px, quality)
        if len(payload) < PAYLOAD_LIMIT_BYTES:
            return payload
    raise MetadataInvalid("The manifest's max_objects is too large: so many crops fit no payload.")


def _smaller(side_px: int, payload_bytes: int) -> int:
    """A JPEG's bytes go with its area, though not quite: 5 % to spare."""
    return int(side_px * min(0.9, 0.95 * math.sqrt(PAYLOAD_LIMIT_BYTES / payload_bytes)))
