"""SageMaker's runtime with two endpoints, whose replies are made beforehand: what they cost is time, not processor."""

import asyncio
import json
from collections import Counter
from functools import cache
from typing import Any

import cv2
import numpy as np

from benchmarks.world.http import Request, Response
from benchmarks.world.photos import boxes
from benchmarks.world.plan import DETECTOR, LABELS, SEGMENTER, Plan
from loc360.frames import View, whole
from loc360.photo import scaled_size
from loc360.wire import Box, DetectorReply, Find, encode_detector_reply, mask_base64

_MOST_BYTES = 2000
"""Of an echo."""


class Models:
    def __init__(self, plan: Plan, detector_side_px: int, crop_side_px: int) -> None:
        self._plan, self._detector_side_px, self._crop_side_px = plan, detector_side_px, crop_side_px
        self._lines = {name: asyncio.Semaphore(plan.slots) for name in (DETECTOR, SEGMENTER)}
        self.counts = Counter({DETECTOR: 0, SEGMENTER: 0})

    async def answer(self, request: Request) -> Response:
        name = request.path.split("/")[2]
        if name not in self._lines:
            return Response(400, b'{"message": "no such endpoint"}', {"x-amzn-ErrorType": "ValidationError"})
        async with self._lines[name]:
            self.counts[name] += 1
            ends_s = asyncio.get_running_loop().time() + self._plan.invoke_s
            reply = self._found(request.body) if name == DETECTOR else self._segmented(request.body)
            await asyncio.sleep(ends_s - asyncio.get_running_loop().time())
        return Response(body=reply.encode(), headers={"content-type": "application/json"})

    def _found(self, body: bytes) -> str:
        return _finds(self._plan, self._detector_side_px, _after(body, '"release": '))

    def _segmented(self, body: bytes) -> str:
        echo = _after(body, '"echo": ')
        mask = _ellipse(Box(*echo["box"]), Box(*echo["crop"]), self._crop_side_px)
        return json.dumps({"mask": mask, "echo": echo})


def _after(body: bytes, name: str) -> Any:
    """The value of a field, without a look at the picture that the body is made of."""
    at = body.rindex(name.encode()) + len(name)
    return json.JSONDecoder().raw_decode(body[at : at + _MOST_BYTES].decode())[0]


@cache
def _finds(plan: Plan, side_px: int, release: str) -> str:
    width_px, height_px = scaled_size(*plan.photo_px, side_px)
    sent = View(whole(*plan.photo_px), width_px, height_px)
    finds = [
        Find(sent.box_in_view(box), LABELS[index % len(LABELS)], 0.95 - 0.4 * index / plan.objects)
        for index, box in enumerate(boxes(*plan.photo_px, plan.objects))
    ]
    return encode_detector_reply(DetectorReply(release, width_px, height_px, tuple(finds)))


@cache
def _ellipse(box: Box, crop: Box, side_px: int) -> str:
    """The one that fills the box, in the crop."""
    view = View(crop, *scaled_size(int(crop.x1 - crop.x0), int(crop.y1 - crop.y0), side_px))
    x0, y0, x1, y1 = view.box_in_view(box)
    mask = np.zeros((view.height_px, view.width_px), np.uint8)
    cv2.ellipse(mask, (((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0), 0), 1, -1)
    return mask_base64(mask.astype(np.bool_))
